/**
 * The network twin: links between hosts, each way by itself, that lose, repeat, reorder, delay and are
 * cut. Without reordering a link is a queue, as a connection is.
 */
import type { Agenda } from './agenda.ts';
import type { SimOptions } from './options.ts';
import type { Random } from './random.ts';

/** Links between `hosts` hosts, by number. */
export class Network {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #options: SimOptions;
  readonly #hosts: number;
  readonly #cut: Uint8Array;
  readonly #slowMs: Float64Array;
  readonly #lastAt: Float64Array;
  /** No faults any more. */
  calm = false;

  constructor(agenda: Agenda, random: Random, options: SimOptions, hosts: number) {
    this.#agenda = agenda;
    this.#random = random;
    this.#options = options;
    this.#hosts = hosts;
    this.#cut = new Uint8Array(hosts * hosts);
    this.#slowMs = new Float64Array(hosts * hosts);
    this.#lastAt = new Float64Array(hosts * hosts);
  }

  /** One way of a link. */
  cut(from: number, to: number, cut: boolean): void {
    this.#cut[from * this.#hosts + to] = cut ? 1 : 0;
  }

  isCut(from: number, to: number): boolean {
    return this.#cut[from * this.#hosts + to] === 1;
  }

  slow(from: number, to: number, extraMs: number): void {
    this.#slowMs[from * this.#hosts + to] = extraMs;
  }

  /** Everything whole and fast, and no faults from now on. */
  heal(): void {
    this.#cut.fill(0);
    this.#slowMs.fill(0);
    this.calm = true;
  }

  /** Carries something; `arrive` is called never, once or twice. What is cut on arrival is lost. */
  carry(from: number, to: number, arrive: () => void): void {
    const { faults } = this.#options;
    const random = this.#random;
    if (this.calm) {
      this.#plan(from, to, this.#delay(), arrive);
      return;
    }
    if (this.isCut(from, to) || random.chance(faults.drop)) return;
    this.#plan(from, to, this.#delay() + this.#tail(), arrive);
    if (random.chance(faults.duplicate)) {
      this.#plan(from, to, this.#delay() + this.#tail() + random.between(0, 200), arrive);
    }
  }

  #delay(): number {
    return this.#options.netDelayMs * this.#random.between(0.5, 1.5);
  }

  #tail(): number {
    const random = this.#random;
    if (!random.chance(this.#options.faults.delayTail)) return 0;
    const portion = random.next();
    return 600 * portion * portion;
  }

  #plan(from: number, to: number, delayMs: number, arrive: () => void): void {
    const link = from * this.#hosts + to;
    let at = this.#agenda.now + delayMs + (this.#slowMs[link] ?? 0);
    const overtakes = !this.calm && this.#random.chance(this.#options.faults.reorder);
    if (!overtakes) {
      at = Math.max(at, this.#lastAt[link] ?? 0);
      this.#lastAt[link] = at;
    }
    this.#agenda.after(at - this.#agenda.now, () => {
      if (!this.isCut(from, to)) arrive();
    });
  }
}
