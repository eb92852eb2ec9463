/** Cuts a stream of bytes into lines. A line that is too long is an error, not a buffer without end. */

/** Collects bytes until a line is whole. */
export class Lines {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The lines that this part completes, without their ends; undefined when one is too long. */
  push(part: Buffer): readonly string[] | undefined {
    const lines: string[] = [];
    let from = 0;
    // a newline is one byte in UTF-8 and never a part of another character
    for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, from)) {
      this.#parts.push(part.subarray(from, at));
      this.#bytes += at - from;
      if (this.#bytes > this.#bytesMax) return undefined;
      lines.push(Buffer.concat(this.#parts).toString());
      this.#parts = [];
      this.#bytes = 0;
      from = at + 1;
    }
    if (from < part.length) this.#parts.push(part.subarray(from));
    this.#bytes += part.length - from;
    return this.#bytes > this.#bytesMax ? undefined : lines;
  }
}
