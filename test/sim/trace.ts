/** What happened, as a number that two runs of one seed must share, and as lines for who asks. */

/** Mixes every event into a hash; keeps lines only when asked to. */
export class Trace {
  hash = 0x811c9dc5;
  readonly lines: string[] | undefined;

  constructor(keepsLines: boolean) {
    this.lines = keepsLines ? [] : undefined;
  }

  /** An event: some whole numbers that tell it from others, and its text. */
  note(one: number, two: number, three: number, text: () => string): void {
    let { hash } = this;
    hash = Math.imul(hash ^ one, 0x01000193);
    hash = Math.imul(hash ^ two, 0x01000193);
    hash = Math.imul(hash ^ three, 0x01000193);
    this.hash = hash ^ (hash >>> 15);
    this.lines?.push(text());
  }

  /** Eight hex digits. */
  get text(): string {
    return (this.hash >>> 0).toString(16).padStart(8, '0');
  }
}
