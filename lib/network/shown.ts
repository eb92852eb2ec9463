/** What the world was told of one kind of thing, so that it is told again only what is new. */
import { sameValue } from './same-value.ts';

/** A change to tell. */
interface Told<Kind, Value> {
  readonly kind: Kind;
  readonly id: string;
  readonly value: Value | undefined;
}

/** Things by their place. */
export class Shown<Value extends object> {
  readonly #things = new Map<string, Value>();
  readonly #idOf: (thing: Value, place: string) => string;

  /** @param idOf by what the world knows a thing of a place */
  constructor(idOf: (thing: Value, place: string) => string) {
    this.#idOf = idOf;
  }

  /** What was told of a place last. */
  get(place: string): Value | undefined {
    return this.#things.get(place);
  }

  /** All places of which something was told. */
  places(): Iterable<string> {
    return this.#things.keys();
  }

  /** Looks at places again: what is to be told first, and what is to go when all else was told. */
  settle<Kind extends string>(
    kind: Kind,
    places: Iterable<string>,
    look: (place: string) => Value | undefined,
  ): { readonly set: readonly Told<Kind, Value>[]; readonly gone: readonly Told<Kind, Value>[] } {
    const set: Told<Kind, Value>[] = [];
    const gone: Told<Kind, Value>[] = [];
    for (const place of places) {
      const after = look(place);
      const before = this.#things.get(place);
      if (after === undefined) this.#things.delete(place);
      else this.#things.set(place, after);
      if (sameValue(before, after)) continue;
      const [idBefore, idAfter] = [before, after].map((one) => one && this.#idOf(one, place));
      if (idBefore !== undefined && idBefore !== idAfter) {
        gone.push({ kind, id: idBefore, value: undefined });
      }
      if (idAfter !== undefined) set.push({ kind, id: idAfter, value: after });
    }
    return { set, gone };
  }
}
