"""Any bytes through a coder of records; blocks whose heads lie; what is in a header."""

import pickle
import tracemalloc
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec import varint
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.formats import coders, sections
from ncz.formats.decode import decode_block
from ncz.formats.records import coder
from ncz.formats.records.coder import NAMED, WITHIN, RecordsCoder
from ncz.formats.records.fixed import Field, Fixed
from ncz.formats.records.layout import Split
from ncz.models.circuit import exact, rows
from tests import circuits

CIRCUITS = {
    "pixels": (circuits.of_pixels(), circuits.pixels(40, seed=2)),
    "rows": (circuits.of_rows(), circuits.rows(40, seed=2)),
    "big": (
        circuits.of(Fixed((Field(">i8", 1), Field("u2", 2))), circuits.pixels(60)),
        circuits.pixels(40, seed=3),
    ),
}


@pytest.mark.parametrize("name", CIRCUITS)
def test_records_come_back_whole_and_one_by_one(name: str) -> None:
    data, raw = CIRCUITS[name]
    made = RecordsCoder(data=data)
    coded = made.encode(raw)
    assert coded is not None and coded.startswith(varint.encode(len(data)) + data)
    reader = coders.from_spec(made.spec)
    assert isinstance(reader, RecordsCoder)
    assert reader.decode(coded, len(raw)) == raw
    opened = reader.open(coded, len(raw))
    count = reader.count(coded, len(raw))
    split = opened.layout.split(raw)
    assert count == len(split.values) == opened.rows.count
    found = b"".join(opened.record(number) for number in range(count))
    assert found == raw[split.before : split.before + int(split.sizes.sum())]


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """Records of a circuit with anything before, amid and after them."""
    name = draw(st.sampled_from(sorted(CIRCUITS)))
    raw = bytearray(CIRCUITS[name][1] if draw(st.booleans()) else b"")
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        end = min(len(raw), at + draw(st.integers(0, 9)))
        raw[at:end] = draw(st.binary(max_size=20) | st.sampled_from([b"\n", b",", b"7,a,22,0.5\n"]))
    return name, bytes(raw)


@settings(max_examples=60)
@given(spoiled())
def test_any_bytes_that_are_coded_come_back(case: tuple[str, bytes]) -> None:
    name, raw = case
    made = RecordsCoder(data=CIRCUITS[name][0])
    coded = made.encode(raw)
    if coded is not None:
        assert RecordsCoder().decode(coded, len(raw)) == raw
        assert len(coded) <= len(raw) + sections.MAX_GROWTH + len(CIRCUITS[name][0]) + 2


@pytest.mark.parametrize("raw", [b"", b"\1", bytes(5), b"no line of such a table\n" * 9])
def test_what_is_no_record_is_left_to_others(raw: bytes) -> None:
    assert RecordsCoder(data=CIRCUITS["rows"][0]).encode(raw) is None


def test_records_of_another_kind_are_left_to_others() -> None:
    assert RecordsCoder(data=CIRCUITS["rows"][0]).encode(CIRCUITS["pixels"][1]) is None


@pytest.mark.parametrize("bound", ["_VALUES", "_REST"])
def test_what_a_reader_would_refuse_is_left_to_others(bound: str) -> None:
    data, raw = CIRCUITS["rows"]
    raw += b"an odd line\n" * 5
    with mock.patch.object(coder, bound, 0), mock.patch.object(coder, "_ANYWAY", 10):
        assert RecordsCoder(data=data).encode(raw) is None
        with mock.patch.object(coder, "_ANYWAY", 4096):
            assert RecordsCoder(data=data).encode(raw) is not None


def heads(data: bytes) -> st.SearchStrategy[bytes]:
    """Coded blocks with a circuit whose numbers say anything."""
    numbers = st.lists(st.integers(0, 1 << 40) | st.integers(0, 40), max_size=8)
    return st.builds(
        lambda told, rest: (
            varint.encode(len(data)) + data + b"".join(map(varint.encode, told)) + rest
        ),
        numbers,
        st.binary(max_size=60),
    )


@settings(max_examples=80)
@given(
    st.binary(max_size=80)
    | heads(CIRCUITS["rows"][0])
    | heads(CIRCUITS["pixels"][0])
    | heads(CIRCUITS["big"][0]),
    st.integers(1, 3000),
)
def test_hostile_blocks_are_refused_or_are_wrong_bytes(coded: bytes, raw_size: int) -> None:
    made = RecordsCoder()
    for work in (made.decode, made.count, made.memory_of):
        try:
            found = work(coded, raw_size)
        except FormatError:
            continue
        if isinstance(found, bytes):
            assert len(found) == raw_size


@settings(max_examples=60)
@given(st.data())
def test_damaged_blocks_are_refused_or_are_wrong_bytes(data: st.DataObject) -> None:
    circuit, raw = data.draw(st.sampled_from(sorted(CIRCUITS.values())))
    made = RecordsCoder(data=circuit)
    coded = bytearray(made.encode(raw) or b"")
    head = len(coded) - len(made.around(b""))
    for _ in range(data.draw(st.integers(1, 3))):
        coded[-data.draw(st.integers(1, head))] ^= data.draw(st.integers(1, 255))
    try:
        found = RecordsCoder().decode(bytes(coded), len(raw))
    except FormatError:
        return
    assert len(found) == len(raw)


def test_a_small_block_that_declares_much_takes_little_memory() -> None:
    data, _ = CIRCUITS["rows"]
    small = varint.encode(len(data)) + data
    for told in ((raw_size := 1 << 20, 1), (raw_size, 256), (1, 1, 1 << 30, 1, 5)):
        coded = small + b"".join(map(varint.encode, told)) + bytes(40)
        tracemalloc.start()
        with pytest.raises(FormatError):
            RecordsCoder().decode(coded, 1 << 14)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
        tracemalloc.stop()


def test_memory_counts_the_circuit_in_a_block_and_its_values() -> None:
    data, raw = CIRCUITS["pixels"]
    made = RecordsCoder(data=data)
    coded = made.encode(raw)
    assert coded is not None
    reader, size = RecordsCoder(), len(raw)
    tables = exact.memory_of(exact.parse(data))
    plain = reader.memory(size) + tables
    circuit = exact.from_bytes(data)
    # Its depth is not known before it is read, and taken as the most that it may be.
    assert plain + rows.memory(circuit, 2) < reader.memory_of(coded, size)
    assert plain < made.memory(size) <= plain + rows.memory(circuit, rows.MAX_GROUP)
    assert coders.memory_of(reader, coded, size) == reader.memory_of(coded, size)
    with pytest.raises(FormatError):
        reader.memory_of(coded[:9], size)
    assert exact.memory_within(b'{"order": 7}') == 0
    bomb = b'{"order":{"shape":["a"]},"root":{"shape":[1099511627776]},"lows":{"shape":[1]}}'
    assert exact.memory_within(len(bomb).to_bytes(8, "little") + bomb) == 0


def test_a_limit_of_memory_holds_for_the_circuit_in_a_block(tmp_path) -> None:
    raw = circuits.pixels(200, seed=2)
    block = _block(RecordsCoder(data=CIRCUITS["pixels"][0]), raw)
    reader = RecordsCoder()
    needed = reader.memory_of(block.coded, len(raw))
    assert decode_block(reader, block, needed) == raw
    with pytest.raises(ncz.MemoryLimitError):
        decode_block(reader, block, needed - 1)


def _block(made: RecordsCoder, raw: bytes):
    from ncz.codec import checks
    from ncz.formats.events import Block
    from ncz.formats.sections import BlockHead

    coded = made.encode(raw)
    assert coded is not None
    head = BlockHead(0, 0, len(raw), len(coded), checks.x32(raw), checks.x32(coded))
    return Block(index=0, offset=0, raw_start=0, head=head, coded=coded)


def test_headers() -> None:
    model = ModelRef(bytes(32), "mine")
    assert RecordsCoder(data=b"").spec == CoderSpec(WITHIN, b"\1") == CoderSpec(5, b"\1")
    assert RecordsCoder(model).spec == CoderSpec(NAMED, b"\1") == CoderSpec(6, b"\1")
    assert (WITHIN, NAMED) == (coders.RECORDS, coders.CIRCUIT)
    assert coder.from_spec(CoderSpec(NAMED, b"\1"), (model,)).name == "circuit mine"
    assert coder.from_spec(CoderSpec(WITHIN, b"\1"), ()).name == "circuit within"
    with pytest.raises(FormatError, match="names no circuit"):
        coder.from_spec(CoderSpec(NAMED, b"\1"), ())
    for params in (b"", b"\2", b"\1\1"):
        with pytest.raises(UnsupportedError, match="install a newer ncz"):
            coder.from_spec(CoderSpec(WITHIN, params), ())


def test_a_circuit_without_its_records_is_of_no_use() -> None:
    codes = exact.parse(CIRCUITS["pixels"][0])
    for notes, why in (
        ({}, "does not say what its records are"),
        ({"layout": 7}, "does not say what its records are"),
        ({"layout": "ff00"}, "kind 255"),
        ({"layout": Fixed((Field("u1", 7),)).pack().hex()}, "not for the records that it says"),
    ):
        data = exact.to_bytes(exact.Codes(**{**vars(codes), "notes": notes}))
        with pytest.raises(FormatError, match=why):
            RecordsCoder(data=data).encode(bytes(60))


def test_it_travels_to_workers() -> None:
    data, raw = CIRCUITS["pixels"]
    there = pickle.loads(pickle.dumps(RecordsCoder(data=data)))
    assert there.encode(raw) == RecordsCoder(data=data).encode(raw)
    model = ModelRef(bytes(32), "mine")
    assert len(pickle.dumps(RecordsCoder(model))) < 400


def test_cells_out_of_form_are_coded_as_the_value_above_the_highest() -> None:
    layout = coder.layout_of(exact.from_bytes(CIRCUITS["rows"][0]))
    split = layout.split(b"7,e,22,0.5\n8,a,x,1\n")
    values = coder.closed(split.values, layout.variables)
    for column, (low, count) in enumerate(coder.domains(layout.variables)):
        if count:
            assert (values[:, column] >= low).all() and (values[:, column] < low + count).all()
    assert layout.join(Split(split.values, split.rest)) == b"7,e,22,0.5\n8,a,x,1\n"
