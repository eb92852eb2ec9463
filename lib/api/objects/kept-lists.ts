/**
 * Lists whose first pages were given out, as they were then: all pages of a list are of one revision. They are kept
 * in memory of the host that was asked, and the oldest go when there are too many; a client then lists again.
 */
import { FairleadError } from '../../errors.ts';
import { apiListObjectsKept, apiListsKept } from '../../limits.ts';

/** A list as it was at a revision. */
export interface KeptList<Item> {
  readonly revision: number;
  readonly items: readonly Item[];
}

/** A page of a list. */
export interface Page<Item> extends KeptList<Item> {
  /** What to ask for the next page with, if there is one. */
  readonly next: string | undefined;
}

/** The lists that are kept. */
export class KeptLists<Item> {
  readonly #lists = new Map<string, KeptList<Item> & { readonly of: string }>();
  readonly #token: () => string;
  #objects = 0;

  /** `token` makes one that was never made before, without dots. */
  constructor(token: () => string) {
    this.#token = token;
  }

  /** The first page. `of` says what the list is of: pages of another are not given by its token. */
  first(list: KeptList<Item>, limit: number, of: string): Page<Item> {
    if (list.items.length <= limit) return { ...list, next: undefined };
    const token = this.#token();
    this.#lists.set(token, { ...list, of });
    this.#objects += list.items.length;
    for (const [old, { items }] of this.#lists) {
      const few = this.#lists.size <= apiListsKept && this.#objects <= apiListObjectsKept;
      if (few || old === token) break;
      this.#lists.delete(old);
      this.#objects -= items.length;
    }
    return this.#page(token, list, 0, limit);
  }

  /**
   * The page that a token means.
   * @throws STORE_COMPACTED when the list is not kept any more
   */
  next(text: string, limit: number, of: string): Page<Item> {
    const [token = '', at = ''] = text.split('.');
    const list = this.#lists.get(token);
    if (list === undefined || list.of !== of || !/^[0-9]{1,6}$/.test(at)) {
      throw new FairleadError('STORE_COMPACTED', 'the list that is to go on is not kept any more', {
        fix: 'list again from the beginning',
      });
    }
    return this.#page(token, list, Number(at), limit);
  }

  #page(token: string, { revision, items }: KeptList<Item>, at: number, limit: number): Page<Item> {
    const end = at + limit;
    const next = end < items.length ? `${token}.${end}` : undefined;
    return { revision, items: items.slice(at, end), next };
  }
}
