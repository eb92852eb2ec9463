/**
 * A quick hash of 128 bits, for tests that hash much: four runs of FNV-1a with different starts, mixed at
 * the end. Not safe against people; states of a test do not mean to collide.
 */
export function fastHash(text: string): bigint {
  let [a, b, c, d] = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca77) + a;
    c = Math.imul(c ^ unit, 0xc2b2ae3d) + b;
    d = Math.imul(d ^ unit, 0x27d4eb2f) + c;
  }
  const high = (BigInt(a >>> 0) << 32n) | BigInt(b >>> 0);
  const low = (BigInt(c >>> 0) << 32n) | BigInt(d >>> 0);
  return (high << 64n) | low;
}
