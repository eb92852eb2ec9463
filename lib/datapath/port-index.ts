/**
 * The ports of Open vSwitch by what they are looked up by, kept up change by change: a look costs the same with
 * ten ports and with thousands.
 */
import type { Rows } from './bridge.ts';
import type { Change, RowChange } from './ovsdb/replica.ts';
import type { Row } from './ovsdb/schema.ts';
import type { Uuid } from './ovsdb/values.ts';

/** A port as found. */
export interface FoundPort {
  readonly uuid: Uuid;
  readonly row: Row<'Port'>;
}

/** Ports of all bridges: their names are unique in the database. */
export class PortIndex {
  readonly #ports = new Map<string, FoundPort>();
  /** How many interfaces have an OpenFlow number, or are to have it. */
  readonly #numbers = new Map<number, number>();

  /** Begins with what there is; all later changes have to be told. */
  constructor({ ports, interfaces }: Pick<Rows, 'ports' | 'interfaces'>) {
    for (const [uuid, row] of ports) this.#ports.set(row.name, { uuid, row });
    for (const row of interfaces.values()) this.#count(row, 1);
  }

  /** The rows have changed. */
  take({ Port, Interface }: Pick<Change, 'Port' | 'Interface'>): void {
    // a name may go from one row to another in one transaction
    for (const { old } of Port.values()) if (old !== undefined) this.#ports.delete(old.name);
    for (const [uuid, { new: row }] of Port) {
      if (row !== undefined) this.#ports.set(row.name, { uuid, row });
    }
    for (const { old, new: row } of Interface.values() as Iterable<RowChange<'Interface'>>) {
      this.#count(old, -1);
      this.#count(row, 1);
    }
  }

  /** The port of this name, whatever bridge it is on. */
  get(name: string): FoundPort | undefined {
    return this.#ports.get(name);
  }

  /** Whether a port has an OpenFlow number. Ports of other bridges count, too: numbers are plenty. */
  hasNumber(number: number): boolean {
    return this.#numbers.has(number);
  }

  #count(row: Row<'Interface'> | undefined, more: 1 | -1): void {
    if (row === undefined) return;
    for (const number of new Set([row.ofport, row.ofport_request])) {
      if (number === undefined) continue;
      const count = (this.#numbers.get(number) ?? 0) + more;
      if (count === 0) this.#numbers.delete(number);
      else this.#numbers.set(number, count);
    }
  }
}
