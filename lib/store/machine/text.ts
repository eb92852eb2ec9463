/** Sizes of texts. */

/** What needs more than one byte in UTF-8. */
const wide = /[\u0080-\uffff]/;

/** Bytes of a well-formed text in UTF-8. */
export function utf8Bytes(text: string): number {
  if (!wide.test(text)) return text.length;
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    // each half of a surrogate pair counts for two of its four bytes
    const isHalf = unit >= 0xd800 && unit <= 0xdfff;
    bytes += unit < 0x800 || isHalf ? 1 : 2;
  }
  return bytes;
}
