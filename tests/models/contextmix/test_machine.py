"""The light parse of x86 instructions."""

from __future__ import annotations

import pytest

from ncz.models.contextmix import machine as m
from ncz.models.contextmix.kernel import MACHINE32, MACHINE64
from tests.models.contextmix.making import Reader, array, read

# Whole instructions, as an assembler writes them.
BOTH = {
    "push ebp": "55",
    "mov ebp, esp": "89e5",
    "mov eax, [ebp+8]": "8b4508",
    "sub esp, 0x18": "83ec18",
    "sub esp, 0x128": "81ec28010000",
    "leave": "c9",
    "ret": "c3",
    "ret 8": "c20800",
    "enter 16, 1": "c8100001",
    "call": "e800010000",
    "jmp short": "eb10",
    "je short": "7405",
    "je near": "0f8400010000",
    "push 1": "6a01",
    "push 0x1234": "6834120000",
    "mov eax, 7": "b807000000",
    "mov al, 7": "b007",
    "mov [ebp-4], 1": "c745fc01000000",
    "mov byte [eax], 1": "c60001",
    "lea ecx, [esp+4]": "8d4c2404",
    "mov eax, [esp]": "8b0424",
    "mov eax, [eax*4+table]": "8b048500100000",
    "mov eax, [esp+0x100]": "8b842400010000",
    "mov eax, [ebx+0x1000]": "8b8300100000",
    "mov eax, [absolute]": "8b0500100000",
    "movzx eax, byte [ebp+8]": "0fb64508",
    "imul eax, ebx": "0fafc3",
    "imul eax, ebx, 100": "69c364000000",
    "imul eax, ebx, 10": "6bc30a",
    "test byte [ebp+8], 1": "f6450801",
    "test eax, 0x100": "f7c000010000",
    "neg eax": "f7d8",
    "shl eax, 2": "c1e002",
    "fld qword [ebp+8]": "dd4508",
    "rep movsd": "f3a5",
    "two prefixes": "66f390",
    "movaps xmm0, xmm1": "0f28c1",
    "pshufd": "660f70c11b",
    "pshufb": "660f3800c1",
    "palignr": "660f3a0fc108",
    "cpuid": "0fa2",
    "bswap eax": "0fc8",
    "int 0x80": "cd80",
}
WIDE = {
    "mov rbp, rsp": "4889e5",
    "mov rax, [rip+x]": "488b0500100000",
    "mov rax, imm64": "48b80102030405060708",
    "lea rdi, [rip+x]": "488d3d00100000",
    "push r12": "4154",
    "mov r8d, 5": "41b805000000",
    "cmp byte [r12], 0": "41803c2400",
    "movsd xmm0, [rip+x]": "f20f100500100000",
}


def ends(code: bytes, kind: int) -> list[int]:
    """Where the parse expects a new instruction."""
    reader, data = Reader(kind), array(code + b"\0")
    found = []
    for pos in range(data.size):
        history = reader.at(data, pos).history
        if history[m.FIELD] == 0 and history[m.LEFT] == 0:
            found.append(pos)
    return found


@pytest.mark.parametrize("kind", [MACHINE32, MACHINE64])
@pytest.mark.parametrize("name", BOTH)
def test_lengths(name: str, kind: int) -> None:
    code = bytes.fromhex(BOTH[name])
    assert ends(code, kind) == [0, len(code)]


@pytest.mark.parametrize("name", WIDE)
def test_lengths_of_64_bit_code(name: str) -> None:
    code = bytes.fromhex(WIDE[name])
    assert ends(code, MACHINE64) == [0, len(code)]


def test_one_after_another() -> None:
    instructions = [bytes.fromhex(code) for code in (BOTH | WIDE).values()]
    places = [0]
    for code in instructions:
        places.append(places[-1] + len(code))
    assert ends(b"".join(instructions), MACHINE64) == places


def test_a_byte_of_40_to_4f_is_a_prefix_in_64_bit_code_alone() -> None:
    assert ends(bytes.fromhex("4840"), MACHINE32) == [0, 1, 2]
    assert ends(bytes.fromhex("4889e5"), MACHINE64) == [0, 3]


def test_instructions_before_move_up() -> None:
    push, mov, ret = (bytes.fromhex(code) for code in ("55", "89e5", "c3"))
    shape = read(push, MACHINE32).history[m.SHAPE]
    assert shape != 0
    assert read(push + mov, MACHINE32).history[m.BEFORE1] == shape
    assert read(push + mov + ret, MACHINE32).history[m.BEFORE2] == shape
    assert read(push + mov + ret + ret, MACHINE32).history[m.BEFORE3] == shape


def test_an_instruction_s_shape_leaves_out_its_numbers() -> None:
    one, other = "c745fc01000000", "c745f8ffffff00"
    shapes = {read(bytes.fromhex(code), MACHINE32).history[m.SHAPE] for code in (one, other)}
    assert len(shapes) == 1
    assert read(bytes.fromhex("c605"), MACHINE32).history[m.SHAPE] not in shapes
