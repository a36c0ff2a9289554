"""Logarithm and exponential function, to the bit as the SDK for Rust has them in a module.

They go by the method and with the constants of fdlibm (Sun Microsystems, 1993). Those of Python's own differ in the last
bit.
"""

from __future__ import annotations

import math
import struct

LN2_HIGH, LN2_LOW, LOG2_E = 6.93147180369123816490e-1, 1.90821492927058770002e-10, 1.44269504088896338700

LOG = (
    6.666666666666735130e-1, 3.999999999940941908e-1, 2.857142874366239149e-1, 2.222219843214978396e-1,
    1.818357216161805012e-1, 1.531383769920937332e-1, 1.479819860511658591e-1,
)  # fmt: skip

EXP = (
    1.66666666666666019037e-1, -2.77777777770155933842e-3, 6.61375632143793436117e-5, -1.65339022054652515390e-6,
    4.13813679705723846039e-8,
)  # fmt: skip

HALF_ROOT, ONE = 0x3FE6A09E, 0x3FF00000
"""The upper half of the square root of a half, and of one."""


def log(x: float) -> float:
    """The natural logarithm of a positive number that is normal."""
    whole, low = struct.unpack(">iI", struct.pack(">d", x))
    high = whole + (ONE - HALF_ROOT)
    k = (high >> 20) - 0x3FF
    (reduced,) = struct.unpack(">d", struct.pack(">iI", (high & 0xFFFFF) + HALF_ROOT, low))
    f = reduced - 1.0
    half = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (LOG[1] + w * (LOG[3] + w * LOG[5]))
    odd = z * (LOG[0] + w * (LOG[2] + w * (LOG[4] + w * LOG[6])))
    return s * (half + (odd + even)) + k * LN2_LOW - half + f + k * LN2_HIGH


def exp(x: float) -> float:
    """The exponential function of a number from -700 to 709."""
    (size,) = struct.unpack(">I", struct.pack(">d", abs(x))[:4])
    k, high, low = 0, x, 0.0
    # More than half of the logarithm of 2, and one and a half times that.
    if size > 0x3FD62E42:
        if size >= 0x3FF0A2B2:
            k = int(LOG2_E * x + (-0.5 if x < 0 else 0.5))
        else:
            k = -1 if x < 0 else 1
        high, low = x - k * LN2_HIGH, k * LN2_LOW
        x = high - low
    elif size <= 0x3E300000:
        return 1.0 + x
    z = x * x
    c = x - z * (EXP[0] + z * (EXP[1] + z * (EXP[2] + z * (EXP[3] + z * EXP[4]))))
    return math.ldexp(1.0 + (x * c / (2.0 - c) - low + high), k)
