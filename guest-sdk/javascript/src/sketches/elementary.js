//! Logarithm and exponential function, to the bit as the SDK for Rust has them in a module: by the method and with the
//! constants of fdlibm (Sun Microsystems, 1993). Those of the engines differ in the last bit.

const [LN2_HIGH, LN2_LOW, LOG2_E] = [6.93147180369123816490e-1, 1.90821492927058770002e-10, 1.44269504088896338700];

const LOG = [
  6.666666666666735130e-1, 3.999999999940941908e-1, 2.857142874366239149e-1, 2.222219843214978396e-1,
  1.818357216161805012e-1, 1.531383769920937332e-1, 1.479819860511658591e-1,
];

const EXP = [
  1.66666666666666019037e-1, -2.77777777770155933842e-3, 6.61375632143793436117e-5, -1.65339022054652515390e-6,
  4.13813679705723846039e-8,
];

/** The upper half of the square root of a half, and of one. */
const [HALF_ROOT, ONE] = [0x3fe6a09e, 0x3ff00000];

const view = new DataView(new ArrayBuffer(8));

/** The natural logarithm of a positive number that is normal. */
export function log(x) {
  view.setFloat64(0, x);
  const high = view.getInt32(0) + (ONE - HALF_ROOT);
  const k = (high >> 20) - 0x3ff;
  view.setInt32(0, (high & 0xfffff) + HALF_ROOT);
  const f = view.getFloat64(0) - 1;
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (LOG[1] + w * (LOG[3] + w * LOG[5]));
  const odd = z * (LOG[0] + w * (LOG[2] + w * (LOG[4] + w * LOG[6])));
  return s * (half + (odd + even)) + k * LN2_LOW - half + f + k * LN2_HIGH;
}

/** The exponential function of a number from -700 to 709. */
export function exp(x) {
  view.setFloat64(0, x);
  const size = view.getInt32(0) & 0x7fffffff;
  let [k, high, low] = [0, x, 0];
  // More than half of the logarithm of 2, and one and a half times that.
  if (size > 0x3fd62e42) {
    if (size >= 0x3ff0a2b2) k = Math.trunc(LOG2_E * x + (x < 0 ? -0.5 : 0.5));
    else k = x < 0 ? -1 : 1;
    high = x - k * LN2_HIGH;
    low = k * LN2_LOW;
    x = high - low;
  } else if (size <= 0x3e300000) {
    return 1 + x;
  }
  const z = x * x;
  const c = x - z * (EXP[0] + z * (EXP[1] + z * (EXP[2] + z * (EXP[3] + z * EXP[4]))));
  const y = 1 + ((x * c) / (2 - c) - low + high);
  return k > 1023 ? y * power(1023) * power(k - 1023) : y * power(k);
}

/** 2 to the power of a whole number. */
export function power(k) {
  view.setUint32(0, (k + 1023) << 20);
  view.setUint32(4, 0);
  return view.getFloat64(0);
}
