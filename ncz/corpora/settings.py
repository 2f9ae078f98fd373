"""The settings under which the same file must give the same bytes, and what each would catch.

A setting is an environment and some knobs for a process of its own (:mod:`ncz.corpora.probe`). What
it is good for stands with it: a setting that changes nothing that ncz depends on proves nothing.
Which of them a machine can have depends on its processor and libraries; what it cannot is kept,
with the reason, and reported as not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ncz.corpora.probe import Knobs

ALL, BYTES, TEXT = "all", "bytes", "text"
SMALL_BYTES, SMALL_TEXT = "small bytes", "small text"
"""Which files: every large one, those of context mixing, those of language models; and small ones,
for what is slow."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: of it, unique.
        catches: what would have to be wrong for it to give other bytes.
        files: one of the constants of this module.
        environment: variables.
        knobs: what no variable says.
        own_code: whether machine code has to be made in a place of its own. numba keeps code for
            one processor apart from that for another, but asks for nothing else that shapes it.
        lacking: why this machine cannot have it, or "".
    """

    name: str
    catches: str
    files: str = ALL
    environment: Mapping[str, str] = field(default_factory=dict)
    knobs: Knobs = field(default_factory=Knobs)
    own_code: bool = False
    lacking: str = ""


_ORDER = "a result that depends on who finishes first, or on how sums are split among threads"
_COMPILER = "signed overflow, contracted products, or an order of sums that the compiler chose"
_KERNELS = "a matrix product that saturates or rounds on processors without the newest instructions"
_STEPS = "an elementwise step that is not rounded correctly, or fused with the next, in some width"
_HASWELL = "+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2,+ssse3"
# oneDNN's name for what a processor has -> LLVM's name for the instructions that it stands for.
_ONEDNN = {
    "SSE41": "sse4.1",
    "AVX2": "avx2",
    "AVX2_VNNI": "avxvnni",
    "AVX512_CORE": "avx512bw",
    "AVX512_CORE_VNNI": "avx512vnni",
    "AVX512_CORE_BF16": "avx512bf16",
    "AVX512_CORE_AMX": "amx-int8",
}
_ATEN = {"default": "sse2", "avx2": "avx2", "avx512": "avx512bw"}
_MKL = (
    {"MKL_CBWR": "COMPATIBLE"},
    {"MKL_CBWR": "AVX2"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
)
_OLD_GLIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-FMA,-FMA4"}
_GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
_HASH_SEED = {"PYTHONHASHSEED": "4711"}

FIRST = Setting("as installed", "an encoder or a decoder that is not even the same twice")
"""What all others are compared with, run once more."""


def of_this_python(here: Mapping[str, Any]) -> list[Setting]:
    """All settings of one installation.

    Args:
        here: what it has, from :func:`ncz.corpora.probe.here`.
    """
    return [FIRST, *_threads(), *_compilers(here), *_processes(here), *of_torch(here)]


def quick(with_torch: bool) -> list[Setting]:
    """Two that take seconds: what they can, they try at once.

    Args:
        with_torch: whether torch is installed.
    """
    older = {
        **_of_threads(7),
        **_HASH_SEED,
        **_OLD_GLIBC,
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
    knobs = Knobs(way="torch" if with_torch else None, cores=7, threads=7)
    return [
        Setting("compiled for any processor", _COMPILER, BYTES, _GENERIC),
        Setting("seven threads, older libraries", f"{_ORDER}; {_KERNELS}", ALL, older, knobs),
    ]


def of_another(here: Mapping[str, Any]) -> list[Setting]:
    """The settings of another Python: as it is, and with its torch.

    Args:
        here: what it has.
    """
    torch = f"torch {here['torch']}" if here["torch"] else "no torch"
    name = (
        f"Python {here['python']}, NumPy {here['numpy']}, numba {here['numba']}, {torch}, "
        f"{here['machine']}"
    )
    catches = "a change of meaning in another version of Python, NumPy, numba's LLVM or torch"
    found = [Setting(name, catches, own_code=True)]
    if here["torch"]:
        found += [
            Setting(f"{name}: {one.name}", one.catches, one.files, knobs=one.knobs, own_code=True)
            for one in _ways(here)
            if not one.lacking
        ]
    return found


def of_torch(here: Mapping[str, Any]) -> list[Setting]:
    """Those that concern language models on torch."""
    lacking = "" if here["torch"] else "torch is not installed"
    return [
        *_ways(here),
        Setting(
            "torch with two threads",
            "sums of floats that are split among threads where they are not exact",
            TEXT,
            dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2"),
            Knobs(way="torch", torch_threads=2),
            lacking=lacking,
        ),
        *(
            Setting(
                f"oneDNN up to {name}",
                _KERNELS,
                TEXT,
                {"ONEDNN_MAX_CPU_ISA": name},
                Knobs(way="torch"),
                lacking=lacking or _without("oneDNN", here["onednn"]) or _short_of(has, here),
            )
            for name, has in _ONEDNN.items()
        ),
        *(
            Setting(
                " ".join(f"{name}={value}" for name, value in environment.items()),
                "a product in floats whose sum exceeds 24 bits",
                TEXT,
                environment,
                Knobs(way="float32"),
                lacking=lacking or _without("MKL", here["mkl"]),
            )
            for environment in _MKL
        ),
        *(
            Setting(
                f"the plain network, torch's vectors {name}",
                _STEPS,
                SMALL_TEXT,
                {"ATEN_CPU_CAPABILITY": name},
                Knobs(device="plain"),
                lacking=lacking or _short_of(has, here),
            )
            for name, has in _ATEN.items()
        ),
        *(
            Setting(
                f"the GPU {name}",
                "anything that a GPU computes otherwise",
                TEXT,
                knobs=Knobs(device=name),
            )
            for name in here["gpus"]
        ),
    ]


def _ways(here: Mapping[str, Any]) -> Iterator[Setting]:
    lacking = "" if here["torch"] else "torch is not installed"
    other = "two ways to multiply that differ, such as one that saturates"
    yield Setting("products by panels", other, TEXT, knobs=Knobs(way="panels"))
    yield Setting("products by int8", other, TEXT, knobs=Knobs(way="int8"), lacking=lacking)
    yield Setting("products by float32", other, TEXT, knobs=Knobs(way="float32"), lacking=lacking)
    yield Setting(
        "the plain network, in float32",
        "compiled code that does something other than its plain form",
        SMALL_TEXT,
        knobs=Knobs(way="float32", device="plain"),
        lacking=lacking,
    )


def _threads() -> Iterator[Setting]:
    for count, said in ((1, "one thread"), (2, "two threads"), (7, "seven threads")):
        knobs = Knobs(cores=count, threads=count)
        yield Setting(said, _ORDER, ALL, _of_threads(count), knobs)


def _of_threads(count: int) -> dict[str, str]:
    of = ("NUMBA", "OMP", "MKL", "OPENBLAS")
    return dict.fromkeys((f"{name}_NUM_THREADS" for name in of), str(count))


def _compilers(here: Mapping[str, Any]) -> Iterator[Setting]:
    yield Setting("compiled for any processor", _COMPILER, ALL, _GENERIC)
    yield Setting(
        "compiled for Haswell, with AVX2 and FMA",
        _COMPILER,
        ALL,
        {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": _HASWELL},
        lacking=_short_of("avx2", here) or _short_of("fma", here),
    )
    yield Setting(
        "compiled without AVX",
        _COMPILER,
        BYTES,
        {"NUMBA_ENABLE_AVX": "0"},
        lacking=_short_of("avx", here),
    )
    yield Setting(
        "vectorized otherwise",
        _COMPILER,
        BYTES,
        {"NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "1"},
        own_code=True,
    )
    yield Setting("not optimized", _COMPILER, SMALL_BYTES, {"NUMBA_OPT": "0"}, own_code=True)
    yield Setting(
        "not compiled",
        "compiled code that does something other than its source says",
        SMALL_BYTES,
        {"NUMBA_DISABLE_JIT": "1"},
    )


def _processes(here: Mapping[str, Any]) -> Iterator[Setting]:
    yield Setting(
        "NumPy without vectors",
        "a float of NumPy's, such as a sum or an exponential, that decides a bit",
        ALL,
        {"NPY_DISABLE_CPU_FEATURES": " ".join(here["numpy_features"])},
        lacking="" if here["numpy_features"] else "NumPy has but one form for this processor",
    )
    yield Setting(
        "glibc without AVX and FMA",
        "an exponential or a logarithm of the C library that decides a bit",
        ALL,
        _OLD_GLIBC,
        lacking="" if here["libc"] == "glibc" else "the C library is another one",
    )
    yield Setting(
        "OpenBLAS as on Nehalem",
        "a matrix product of NumPy's in floats that decides a bit",
        ALL,
        {"OPENBLAS_CORETYPE": "NEHALEM"},
        lacking="" if here["machine"] in ("x86_64", "AMD64") else "this is another architecture",
    )
    yield Setting(
        "another locale, another hash seed",
        "an order that comes from a set, or text that is taken apart as the locale says",
        ALL,
        {**_HASH_SEED, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )


def _short_of(feature: str, here: Mapping[str, Any]) -> str:
    return "" if feature in here["features"] else f"this processor has no {feature}"


def _without(library: str, has: bool) -> str:
    return "" if has else f"this torch is built without {library}"
