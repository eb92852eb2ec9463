/**
 * A switch on paper: runs abstract packets through flows and groups as OpenFlow 1.3 and ovs-actions(7) say,
 * slowly and plainly. It objects when two flows of one priority fit the same packet, which a switch would
 * decide by chance.
 */
import { fields, type FieldName } from '../../../lib/datapath/openflow/codec/fields.ts';
import {
  reservedPort,
  type Action,
  type Ct,
  type Flow,
  type Group,
  type Match,
  type Slice,
} from '../../../lib/datapath/openflow/codec/flow.ts';
import { Connections } from './connections.ts';
import type { Unit } from '../../../lib/datapath/pipeline/unit.ts';

/** A packet: what its fields are; absent ones are 0. `length` is with the Ethernet header. */
export interface Packet {
  readonly fields: Readonly<Partial<Record<FieldName, bigint>>>;
  readonly length: number;
}

/** A packet that leaves. */
export interface Sent {
  readonly port: number;
  readonly packet: Packet;
  /** Of the flow that sent it. */
  readonly cookie: bigint;
}

type State = Map<FieldName, bigint>;

const tableWalkMax = 500;

/** The flows and groups of units, as a switch. */
export class PaperSwitch {
  readonly #tables = new Map<number, Flow[]>();
  readonly #groups = new Map<number, Group>();
  readonly #connections = new Connections();

  constructor(units: Iterable<Unit>) {
    for (const { flows, groups } of units) {
      for (const flow of flows) {
        const table = this.#tables.get(flow.table) ?? [];
        this.#tables.set(flow.table, table);
        table.push(flow);
      }
      for (const group of groups) {
        if (this.#groups.has(group.id)) throw new Error(`group ${group.id} twice`);
        this.#groups.set(group.id, group);
      }
    }
  }

  /** What leaves when a packet comes in by a port. */
  run(inPort: number, packet: Packet): readonly Sent[] {
    const state: State = new Map(Object.entries(packet.fields) as [FieldName, bigint][]);
    state.set('inPort', BigInt(inPort));
    const sent: Sent[] = [];
    this.#walk(0, state, {
      sent,
      length: packet.length,
      steps: { left: tableWalkMax },
      cookie: 0n,
    });
    return sent;
  }

  #walk(table: number, state: State, run: Run): void {
    run.steps.left -= 1;
    if (run.steps.left < 0) throw new Error('the packet runs in circles');
    const flow = this.#find(table, state);
    if (flow === undefined) return;
    this.#act(flow.apply ?? [], state, { ...run, cookie: flow.cookie });
    if (flow.goto === undefined) return;
    if (flow.goto <= table) throw new Error(`from table ${table} back to ${flow.goto}`);
    this.#walk(flow.goto, state, run);
  }

  #find(table: number, state: State): Flow | undefined {
    const fitting = (this.#tables.get(table) ?? []).filter(({ match }) => fits(match, state));
    const top = Math.max(...fitting.map(({ priority }) => priority));
    const [flow, other] = fitting.filter(({ priority }) => priority === top);
    if (other !== undefined) {
      const text = JSON.stringify([flow, other], (_key, value: unknown) =>
        typeof value === 'bigint' ? value.toString(16) : value,
      );
      throw new Error(`two flows fit: ${text}`);
    }
    return flow;
  }

  #act(actions: readonly Action[], state: State, run: Run): void {
    for (const action of actions) this.#step(action, state, run);
  }

  #step(action: Action, state: State, run: Run): void {
    switch (action.kind) {
      case 'output':
        return output(action.port, state, run);
      case 'outputField':
        return output(Number(readSlice(state, action.from)), state, run);
      case 'group':
        for (const { actions } of this.#groups.get(action.group)?.buckets ?? []) {
          this.#act(actions, new Map(state), run);
        }
        return undefined;
      case 'setField':
        return writeSlice(state, { field: action.field }, BigInt(action.value));
      case 'load':
        return writeSlice(state, action.to, BigInt(action.value));
      case 'move':
        return writeSlice(state, action.to, readSlice(state, action.from));
      case 'resubmit':
        return this.#walk(action.table ?? 0, state, run);
      case 'popVlan':
        return writeSlice(state, { field: 'vlanVid' }, 0n);
      case 'pushVlan':
        return writeSlice(state, { field: 'vlanVid' }, 0x1000n);
      case 'decTtl':
        return writeSlice(state, { field: 'ipTtl' }, (state.get('ipTtl') ?? 0n) - 1n);
      case 'checkPacketLarger':
        return writeSlice(state, action.to, run.length > action.bytes ? 1n : 0n);
      case 'ct':
        return this.#track(action, state, run);
      case 'push':
      case 'pop':
      case 'setQueue':
      case 'ctClear':
      case 'conjunction':
      case 'controller':
      case 'note':
      case 'opaque':
        throw new Error(`action ${action.kind} is not on paper`);
    }
  }

  /** A copy goes on in the table, tracked; here the packet goes on with what became of its addresses. */
  #track(action: Ct, state: State, run: Run): void {
    const tracked = this.#connections.track(action, state);
    if (action.table !== undefined) return this.#walk(action.table, tracked, run);
    const before = state.get('ctState') ?? 0n;
    for (const [name, value] of tracked) state.set(name, value);
    return void state.set('ctState', before);
  }
}

interface Run {
  readonly sent: Sent[];
  readonly length: number;
  readonly steps: { left: number };
  readonly cookie: bigint;
}

function output(port: number, state: State, { sent, length, cookie }: Run): void {
  const inPort = Number(state.get('inPort'));
  if (port === inPort) return;
  const { inPort: back } = reservedPort;
  sent.push({
    port: port === back ? inPort : port,
    packet: { fields: Object.fromEntries(state), length },
    cookie,
  });
}

function fits({ opaque: _never, ...match }: Match, state: State): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    if (wanted === undefined) return true;
    const has = state.get(name as FieldName) ?? 0n;
    if (typeof wanted !== 'object') return has === BigInt(wanted);
    return (has & BigInt(wanted.mask)) === BigInt(wanted.value);
  });
}

function readSlice(state: State, { field, first = 0, bits }: Slice): bigint {
  const width = BigInt(bits ?? fields[field].bits - first);
  return ((state.get(field) ?? 0n) >> BigInt(first)) & ((1n << width) - 1n);
}

function writeSlice(state: State, { field, first = 0, bits }: Slice, value: bigint): void {
  const width = BigInt(bits ?? fields[field].bits - first);
  const mask = ((1n << width) - 1n) << BigInt(first);
  const before = state.get(field) ?? 0n;
  state.set(field, (before & ~mask) | ((value << BigInt(first)) & mask));
}
