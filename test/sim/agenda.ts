/** What is to happen when: a binary heap on virtual time. Equal times run in the order they were planned. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const before = (one: Event, other: Event) =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/** Virtual time in ms, and what is planned. */
export class Agenda {
  now = 0;
  /** Events run so far. */
  count = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  /** Plans a call `afterMs` from now. */
  after(afterMs: number, run: () => void): void {
    this.#order += 1;
    const event = { at: this.now + afterMs, order: this.#order, run };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent] as Event;
      if (!before(event, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = event;
  }

  /** Runs the next event; false when nothing is planned up to `untilMs`, which is then the time. */
  step(untilMs: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > untilMs) {
      this.now = untilMs;
      return false;
    }
    const last = heap.pop() as Event;
    if (last !== first) this.#sink(last);
    this.now = first.at;
    this.count += 1;
    first.run();
    return true;
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    const size = heap.length;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      const below = heap[child] as Event;
      if (!before(below, event)) break;
      heap[place] = below;
      place = child;
    }
    heap[place] = event;
  }
}
