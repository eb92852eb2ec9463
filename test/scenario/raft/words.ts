/** The words of a command. */

/** Words in order, and `name=value` among them. */
export class Words {
  readonly plain: readonly string[];
  readonly #named: ReadonlyMap<string, string>;

  constructor(words: readonly string[]) {
    const isNamed = (word: string) => /^\w+=/.test(word);
    this.plain = words.filter((word) => !isNamed(word));
    this.#named = new Map(
      words.filter(isNamed).map((word) => {
        const at = word.indexOf('=');
        return [word.slice(0, at), word.slice(at + 1)];
      }),
    );
  }

  /** The same without the word at a place. */
  after(place: number): Words {
    const rest = this.plain.filter((_, at) => at !== place);
    return new Words([...rest, ...[...this.#named].map(([name, value]) => `${name}=${value}`)]);
  }

  at(place: number): string {
    const word = this.plain[place];
    if (word === undefined) throw new Error(`a word is missing after ${this.plain.join(' ')}`);
    return word;
  }

  number(name: string, otherwise: number): number {
    return Number(this.#named.get(name) ?? otherwise);
  }

  list(name: string): readonly string[] {
    return (this.#named.get(name) ?? '').split(',').filter((item) => item !== '');
  }

  text(name: string): string | undefined {
    return this.#named.get(name);
  }
}
