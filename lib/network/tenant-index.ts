/**
 * The names and addresses of one tenant, found by what is asked: filled by `name-view.ts` as rows come and go. A
 * container that goes leaves its names behind for a while, so that nobody asks outside for one that is being restarted.
 */
import { formatAddress, type IpAddress } from '../ip/ip.ts';
import { departedNameMs, departedNamesMax } from '../limits.ts';
import type { Named, NamedContainer, NamedGroup } from '../names/resolve.ts';
import { delist, enlist } from '../sets-by-key.ts';

/** An attachment. */
export interface Attached extends NamedContainer {
  /** The first is its own; none until its host has told. Lower case. */
  readonly names: readonly string[];
}

/** A service with its address. */
export interface ServedName extends Named {
  readonly name: string;
}

/** The index of one tenant. */
export class TenantIndex {
  /** As they are written, by lower case: what differs in that only is one name. */
  readonly #networks = new Map<string, Set<string>>();
  /** Names in lower case by the number in flows, and the numbers of networks by name as it is written. */
  readonly #numbered = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  /** Networks of groups, by lower case and as they are written. */
  readonly #groups = new Map<string, Map<string, string>>();
  readonly #services = new Map<string, ServedName>();
  /** Services by address. */
  readonly #served = new Map<string, Set<string>>();
  /** Attachments by their place, and places by name, by address and by group. */
  readonly #attached = new Map<string, Attached>();
  readonly #named = new Map<string, Set<string>>();
  readonly #addressed = new Map<string, Set<string>>();
  readonly #grouped = new Map<string, Set<string>>();
  /** Until when they are still ours, ms; the earliest first. */
  readonly #departed = new Map<string, number>();

  /** Whether nothing is in it. */
  get isEmpty(): boolean {
    const maps = [this.#networks, this.#groups, this.#services, this.#attached];
    return maps.every(({ size }) => size === 0);
  }

  /** Takes over what an index of before knew: what it named and this one does not was known. */
  inherit(before: TenantIndex, nowMs: number): void {
    for (const [name, untilMs] of before.#departed) {
      if (untilMs > nowMs) this.#departed.set(name, untilMs);
    }
    const services = [...before.#services.values()].map(({ name }) => name);
    for (const name of [...before.#named.keys(), ...before.#groups.keys(), ...services]) {
      this.#depart(name, nowMs);
    }
  }

  /** A network has this number in flows, or (undefined) is no more. */
  setNetwork(name: string, number: number | undefined): void {
    const lower = name.toLowerCase();
    const before = this.#numbers.get(name);
    if (before !== undefined) {
      this.#numbers.delete(name);
      this.#numbered.delete(before);
    }
    if (number === undefined) return void delist(this.#networks, lower, name);
    enlist(this.#networks, lower, name);
    this.#numbers.set(name, number);
    this.#numbered.set(number, lower);
  }

  /** The network that a number stands for, in lower case. */
  networkNumbered(number: number): string | undefined {
    return this.#numbered.get(number);
  }

  /** Whether there is a network of this name. */
  hasNetwork(name: string): boolean {
    return this.#networks.has(name);
  }

  /** A group is now of this network, or (undefined) is no more. */
  setGroup(name: string, network: string | undefined, nowMs: number): void {
    const lower = name.toLowerCase();
    const alike = this.#groups.get(lower) ?? new Map<string, string>();
    if (network === undefined) alike.delete(name);
    else alike.set(name, network.toLowerCase());
    if (alike.size > 0) this.#groups.set(lower, alike);
    else if (this.#groups.delete(lower)) this.#depart(lower, nowMs);
  }

  /** The group of a name. */
  group(name: string): NamedGroup | undefined {
    const alike = this.#groups.get(name);
    if (alike === undefined) return undefined;
    return { networks: new Set(alike.values()), members: this.#at(this.#grouped.get(name)) };
  }

  /** An attachment is now so, or (undefined) no more. */
  setAttached(place: string, attached: Attached | undefined, nowMs: number): void {
    const before = this.#attached.get(place);
    if (before !== undefined) {
      for (const name of before.names) delist(this.#named, name, place);
      for (const key of keysOf(before)) delist(this.#addressed, key, place);
      if (before.group !== undefined) delist(this.#grouped, before.group, place);
      this.#attached.delete(place);
    }
    if (attached !== undefined) {
      for (const name of attached.names) enlist(this.#named, name, place);
      for (const key of keysOf(attached)) enlist(this.#addressed, key, place);
      if (attached.group !== undefined) enlist(this.#grouped, attached.group, place);
      this.#attached.set(place, attached);
    }
    for (const name of before?.names ?? []) this.#depart(name, nowMs);
    const left = attached?.group === before?.group ? undefined : before?.group;
    // one that is in another group now, and still there
    if (attached === undefined || left === undefined) return;
    for (const name of before?.names ?? []) this.#depart(`${name}.${left}`, nowMs);
  }

  /** The group of an attachment; undefined for none. */
  groupAt(place: string): string | undefined {
    return this.#attached.get(place)?.group;
  }

  /** A service is now so, or no more. */
  setService(key: string, service: ServedName | undefined, nowMs: number): void {
    const before = this.#services.get(key);
    for (const address of before === undefined ? [] : keysOf(before)) {
      delist(this.#served, address, key);
    }
    if (service === undefined) this.#services.delete(key);
    else this.#services.set(key, service);
    for (const address of service === undefined ? [] : keysOf(service)) {
      enlist(this.#served, address, key);
    }
    if (before !== undefined) this.#depart(before.name, nowMs);
  }

  /** The service of a name. */
  service(name: string): ServedName | undefined {
    return this.#services.get(name);
  }

  /** The containers that have a name. */
  containers(name: string): readonly Attached[] {
    return this.#at(this.#named.get(name));
  }

  /** The name that an address is known by, with its network behind. */
  nameOf(address: IpAddress): string | undefined {
    const key = formatAddress(address);
    for (const served of this.#served.get(key) ?? []) {
      const service = this.#services.get(served);
      if (service !== undefined) return `${service.name}.${service.network}`;
    }
    for (const { names, network } of this.#at(this.#addressed.get(key))) {
      const [own] = names;
      // its host has not told yet
      if (own !== undefined) return `${own}.${network}`;
    }
    return undefined;
  }

  /** Whether a name was one not long ago. */
  wasKnown(name: string, nowMs: number): boolean {
    const untilMs = this.#departed.get(name);
    return untilMs !== undefined && untilMs > nowMs;
  }

  #at(places: Iterable<string> = []): readonly Attached[] {
    return [...places].flatMap((place) => this.#attached.get(place) ?? []);
  }

  /** Remembers a name that nobody has any more. */
  #depart(name: string, nowMs: number): void {
    if (this.#named.has(name) || this.#groups.has(name) || this.#services.has(name)) return;
    this.#departed.delete(name);
    this.#departed.set(name, nowMs + departedNameMs);
    for (const [oldest, untilMs] of this.#departed) {
      if (untilMs > nowMs && this.#departed.size <= departedNamesMax) return;
      this.#departed.delete(oldest);
    }
  }
}

const keysOf = ({ addresses }: Named): readonly string[] => addresses.map(formatAddress);
