/**
 * Who is in a network, on which hosts, and how the copies for those of this host are shared out: a short list
 * is in one group, a long one in parts, so that a coming and going touches one part.
 */
import { floodDirectMax } from '../../limits.ts';
import { groups } from './fields.ts';

/** Members of one network, whether or not the network itself is known. */
export class Members {
  readonly local = new Set<string>();
  readonly remote = new Set<string>();
  /** How many of the remote ones each host has. */
  readonly peers = new Map<string, number>();
  /** Ports of the local ones by their ids, part by part. Ports are counted up, so parts fill evenly. */
  readonly parts = new Map<number, Map<string, number>>();

  get isEmpty(): boolean {
    return this.local.size === 0 && this.remote.size === 0;
  }

  /** Whether the list of ports is in parts. */
  get isParted(): boolean {
    return this.local.size > floodDirectMax;
  }

  /** Adds an endpoint of this host; answers which groups that changes. */
  addLocal(id: string, port: number): FloodChange {
    const wasParted = this.isParted;
    this.local.add(id);
    const part = partOf(port);
    const ports = this.parts.get(part) ?? new Map<string, number>();
    this.parts.set(part, ports.set(id, port));
    return this.#changeOf(part, wasParted, ports.size === 1);
  }

  /** The other way round. */
  removeLocal(id: string, port: number): FloodChange {
    const wasParted = this.isParted;
    this.local.delete(id);
    const part = partOf(port);
    const ports = this.parts.get(part);
    ports?.delete(id);
    const isEmpty = ports?.size === 0;
    if (isEmpty) this.parts.delete(part);
    return this.#changeOf(part, wasParted, isEmpty);
  }

  #changeOf(part: number, wasParted: boolean, isOther: boolean): FloodChange {
    if (wasParted !== this.isParted) {
      return { isListOther: true, parts: [...new Set([...this.parts.keys(), part])] };
    }
    return this.isParted
      ? { isListOther: isOther, parts: [part] }
      : { isListOther: true, parts: [] };
  }
}

/** Which groups of a network are other than before. */
export interface FloodChange {
  /** The groups that name ports or parts. */
  readonly isListOther: boolean;
  readonly parts: readonly number[];
}

const partOf = (port: number): number => (port % groups.partsMax) + 1;
