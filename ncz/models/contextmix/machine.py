"""Contexts for x86 machine code, from a light parse of its instructions.

A state machine follows prefixes, opcode, ModRM, SIB, displacement and immediate. It need
not be right always (data lies between code): it gives contexts, and the mixer weighs them.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LAST4, LAST8

COUNT = 30
"""Contexts computed here."""

# Indices into the history, int64[64].
FIELD, LEFT, OPCODE, MODRM, IMMEDIATE, WIDE = 16, 17, 18, 19, 20, 21
SHAPE = 22  # hash of opcode and ModRM of this instruction
BEFORE1, BEFORE2, BEFORE3 = 23, 24, 25  # shapes of the instructions before it
BYTES = 26  # hash of all bytes of this instruction

# Values of FIELD: what the next byte is.
_START, _SECOND, _THIRD, _MODRM, _SIB, _DISPLACEMENT, _IMMEDIATE = range(7)

# Bits of an opcode's entry.
_HAS_MODRM, _IMM8, _IMM32, _IMM16, _PREFIX, _GROUP3 = 1, 2, 4, 8, 16, 32


def _one_byte() -> np.ndarray:
    t = np.zeros(256, np.int64)
    for base in range(0, 0x40, 8):
        t[base : base + 4] = _HAS_MODRM
        t[base + 4] = _IMM8
        t[base + 5] = _IMM32
    t[[0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3]] = _PREFIX
    t[[0x62, 0x63]] = _HAS_MODRM
    t[0x68] = _IMM32
    t[0x69] = _HAS_MODRM | _IMM32
    t[0x6A] = _IMM8
    t[0x6B] = _HAS_MODRM | _IMM8
    t[0x70:0x80] = _IMM8
    t[0x80:0x84] = _HAS_MODRM | _IMM8
    t[0x81] = _HAS_MODRM | _IMM32
    t[0x84:0x90] = _HAS_MODRM
    t[0xA0:0xA4] = _IMM32
    t[0xA8] = _IMM8
    t[0xA9] = _IMM32
    t[0xB0:0xB8] = _IMM8
    t[0xB8:0xC0] = _IMM32
    t[[0xC0, 0xC1, 0xC6]] = _HAS_MODRM | _IMM8
    t[[0xC2, 0xCA]] = _IMM16
    t[[0xC4, 0xC5]] = _HAS_MODRM
    t[0xC7] = _HAS_MODRM | _IMM32
    t[0xC8] = _IMM16 | _IMM8
    t[0xCD] = _IMM8
    t[0xD0:0xD4] = _HAS_MODRM
    t[0xD4:0xD6] = _IMM8
    t[0xD8:0xE0] = _HAS_MODRM
    t[0xE0:0xE8] = _IMM8
    t[[0xE8, 0xE9]] = _IMM32
    t[0xEB] = _IMM8
    t[[0xF6, 0xF7]] = _HAS_MODRM | _GROUP3
    t[[0xFE, 0xFF]] = _HAS_MODRM
    return t


def _two_byte() -> np.ndarray:
    t = np.full(256, _HAS_MODRM, np.int64)
    t[[0x05, 0x06, 0x08, 0x09, 0x0B, 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA]] = 0
    t[0x30:0x38] = 0
    t[0xC8:0xD0] = 0
    t[0x70:0x74] = _HAS_MODRM | _IMM8
    t[[0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6]] = _HAS_MODRM | _IMM8
    t[0x80:0x90] = _IMM32
    return t


_ONE = _one_byte()
_TWO = _two_byte()


@jit
def _after_opcode(v: np.ndarray, entry: int, modrm: int) -> None:
    """Set what follows: the operand bytes, or the next instruction."""
    immediate = np.int64(0)
    if entry & _IMM8:
        immediate += 1
    if entry & _IMM16:
        immediate += 2
    if entry & _IMM32:
        immediate += 4
    if entry & _GROUP3 and (modrm >> 3) & 7 < 2:
        immediate += 1 if v[OPCODE] == 0xF6 else 4
    v[IMMEDIATE] = immediate


@jit
def _operands(v: np.ndarray, displacement: int) -> None:
    if displacement > 0:
        v[FIELD] = _DISPLACEMENT
        v[LEFT] = displacement
    elif v[IMMEDIATE] > 0:
        v[FIELD] = _IMMEDIATE
        v[LEFT] = v[IMMEDIATE]
    else:
        v[FIELD] = _START


@jit
def _see(v: np.ndarray, c: int, bits64: bool) -> None:
    """Take one byte into the parse."""
    field = v[FIELD]
    if field == _START and v[SHAPE] != 0 and v[LEFT] == 0:
        v[BEFORE3] = v[BEFORE2]
        v[BEFORE2] = v[BEFORE1]
        v[BEFORE1] = v[SHAPE]
        v[SHAPE] = 0
        v[BYTES] = 0
        v[MODRM] = 0
        v[WIDE] = 0
    v[BYTES] = mix(v[BYTES], c)
    if field == _START:
        entry = _ONE[c]
        if entry & _PREFIX or (bits64 and c & 0xF0 == 0x40):
            v[LEFT] = 1  # still the same instruction
            v[SHAPE] = mix(v[SHAPE], c)
            if c & 0xF8 == 0x48:
                v[WIDE] = 1
            return
        v[LEFT] = 0
        v[OPCODE] = c
        v[SHAPE] = mix(v[SHAPE], c)
        if c == 0x0F:
            v[FIELD] = _SECOND
        elif entry & _HAS_MODRM:
            v[FIELD] = _MODRM
        else:
            _after_opcode(v, entry, 0)
            if bits64 and v[WIDE] and c & 0xF8 == 0xB8:
                v[IMMEDIATE] = 8
            _operands(v, 0)
    elif field == _SECOND:
        v[SHAPE] = mix(v[SHAPE], c)
        v[OPCODE] = 0x100 | c
        if c == 0x38 or c == 0x3A:
            v[FIELD] = _THIRD
        elif _TWO[c] & _HAS_MODRM:
            v[FIELD] = _MODRM
        else:
            _after_opcode(v, _TWO[c], 0)
            _operands(v, 0)
    elif field == _THIRD:
        v[SHAPE] = mix(v[SHAPE], c)
        v[OPCODE] = (0x200 if v[OPCODE] == 0x138 else 0x300) | c
        v[FIELD] = _MODRM
    elif field == _MODRM:
        v[MODRM] = c
        v[SHAPE] = mix(v[SHAPE], c >> 3)
        opcode = v[OPCODE]
        if opcode < 0x100:
            entry = _ONE[opcode]
        elif opcode < 0x200:
            entry = _TWO[opcode & 0xFF]
        elif opcode < 0x300:
            entry = np.int64(_HAS_MODRM)
        else:
            entry = np.int64(_HAS_MODRM | _IMM8)
        _after_opcode(v, entry, c)
        mode = c >> 6
        if mode == 3:
            _operands(v, 0)
        elif c & 7 == 4:
            v[FIELD] = _SIB
        elif mode == 1:
            _operands(v, 1)
        elif mode == 2 or c & 7 == 5:
            _operands(v, 4)
        else:
            _operands(v, 0)
    elif field == _SIB:
        mode = v[MODRM] >> 6
        if mode == 1:
            _operands(v, 1)
        elif mode == 2 or c & 7 == 5:
            _operands(v, 4)
        else:
            _operands(v, 0)
    else:
        v[LEFT] -= 1
        if v[LEFT] == 0:
            if field == _DISPLACEMENT and v[IMMEDIATE] > 0:
                v[FIELD] = _IMMEDIATE
                v[LEFT] = v[IMMEDIATE]
            else:
                v[FIELD] = _START


@jit
def contexts(
    data: np.ndarray,
    pos: int,
    v: np.ndarray,
    bits64: bool,
    after2: np.ndarray,
    ctx: np.ndarray,
    select: np.ndarray,
) -> None:
    """Compute the contexts of the byte at `pos` into `ctx`, mixer selections into `select`."""
    if pos > 0:
        _see(v, np.int64(data[pos - 1]), bits64)
    c4 = v[LAST4]
    c8 = v[LAST8]
    c1 = c4 & 0xFF
    place = v[FIELD] * 16 + v[LEFT]
    shape = mix(v[SHAPE], place)
    ctx[0] = c1
    ctx[1] = c4 & 0xFFFF
    ctx[2] = c4 & 0xFFFFFF
    ctx[3] = c4
    ctx[4] = c4 | (c8 & 0xFFFF) << 32
    ctx[5] = c4 & 0xFF00
    ctx[6] = c4 & 0xFF0000
    ctx[7] = c4 & 0xFF000000
    ctx[8] = c4 & 0xFFFF00
    ctx[9] = c4 & 0xFFFF0000
    ctx[10] = c4 & 0xFF00FF
    ctx[11] = c4 & 0xFF0000FF
    ctx[12] = c4 & 0xFF00FF00
    ctx[13] = mix(place, v[OPCODE])
    ctx[14] = mix(mix(place, v[OPCODE]), v[MODRM])
    ctx[15] = mix(shape, 0)
    ctx[16] = mix(shape, c1)
    ctx[17] = mix(shape, v[BEFORE1])
    ctx[18] = mix(mix(shape, v[BEFORE1]), v[BEFORE2])
    ctx[19] = mix(mix(mix(shape, v[BEFORE1]), v[BEFORE2]), v[BEFORE3])
    ctx[20] = mix(v[BYTES], place)
    ctx[21] = mix(mix(v[BYTES], place), v[BEFORE1])
    ctx[22] = mix(place, c4 & 0xFFFF)
    ctx[23] = mix(c4, c8)
    ctx[24] = mix(shape, c4 & 0xFFFF)
    ctx[25] = mix(pos & 3, c4 >> 24)
    ctx[26] = mix(mix(pos & 7, c8 >> 24), c8 & 0xFF)
    ctx[27] = 0
    ctx[28] = mix(after2[c4 & 0xFFFF], c1)
    ctx[29] = c4 & 0xF8F8F8F8
    select[4] = c1
    select[5] = min(place, 127) * 4 + (v[MODRM] >> 6)
    select[6] = (c4 >> 8) & 0xFF
    select[7] = v[OPCODE] & 0xFF
