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
import { matchFaults } from '../../../lib/datapath/openflow/codec/prerequisites.ts';
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
  /** Of the flow that sent it, and its table. */
  readonly cookie: bigint;
  readonly table: number;
  /** The meters that it went through, in order. */
  readonly meters: readonly number[];
}

type State = Map<FieldName, bigint>;

const tableWalkMax = 500;

/** The flows and groups of units, as a switch. */
export class PaperSwitch {
  readonly #tables = new Map<number, Flow[]>();
  readonly #seen = new Set<string>();
  readonly #groups = new Map<number, Group>();
  readonly #connections = new Connections();
  readonly #carried = new Map<bigint, number>();
  #turns = 0;

  constructor(units: Iterable<Unit>) {
    this.install(units);
  }

  /** Has these flows and groups instead of those it had; what it knows of connections stays. */
  install(units: Iterable<Unit>): void {
    for (const each of [this.#tables, this.#seen, this.#groups]) each.clear();
    for (const { flows, groups } of units) {
      for (const flow of flows) {
        const table = this.#tables.get(flow.table) ?? [];
        const text = placeOf(flow);
        if (this.#seen.has(text)) throw new Error(`one flow replaces another: ${text}`);
        requireSound(flow);
        this.#seen.add(text);
        this.#tables.set(flow.table, table);
        table.push(flow);
      }
      for (const group of groups) {
        if (this.#groups.has(group.id)) throw new Error(`group ${group.id} twice`);
        this.#groups.set(group.id, group);
      }
    }
  }

  /** From now on conntrack gives up pieces of packets, as it does when the others do not come. */
  losePieces(): void {
    this.#connections.losesPieces = true;
  }

  /** Knows of no connections any more. */
  forget(): void {
    this.#connections.forget();
  }

  /** How many packets flows have carried, by cookie. */
  get carried(): ReadonlyMap<bigint, number> {
    return this.#carried;
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
      table: 0,
      meters: [],
    });
    return sent;
  }

  #walk(table: number, state: State, run: Run): void {
    run.steps.left -= 1;
    if (run.steps.left < 0) throw new Error('the packet runs in circles');
    const flow = this.#find(table, state);
    if (flow === undefined) return;
    this.#carried.set(flow.cookie, (this.#carried.get(flow.cookie) ?? 0) + 1);
    const meters = flow.meter === undefined ? run.meters : [...run.meters, flow.meter];
    this.#act(flow.apply ?? [], state, { ...run, meters, cookie: flow.cookie, table });
    if (flow.goto === undefined) return;
    if (flow.goto <= table) throw new Error(`from table ${table} back to ${flow.goto}`);
    this.#walk(flow.goto, state, { ...run, meters });
  }

  #find(table: number, state: State): Flow | undefined {
    const fitting = (this.#tables.get(table) ?? []).filter(({ match }) => fits(match, state));
    const parts = fitting.filter(isPart);
    const whole = fitting.filter((each) => !isPart(each));
    const top = Math.max(...whole.map(({ priority }) => priority));
    const priorities = [...new Set(parts.map(({ priority }) => priority))];
    for (const priority of priorities.filter((each) => each > top).toSorted((a, b) => b - a)) {
      const together = parts.filter((each) => each.priority === priority);
      const found = this.#conjoined(table, state, priority, together);
      if (found !== undefined) return found;
    }
    const [flow, other] = whole.filter(({ priority }) => priority === top);
    if (other !== undefined) {
      const text = JSON.stringify([flow, other], asText);
      throw new Error(`two flows fit: ${text}`);
    }
    return flow;
  }

  /** The flow of a conjunction of which all clauses fit; if there are several, they have to say the same. */
  #conjoined(
    table: number,
    state: State,
    priority: number,
    parts: readonly Flow[],
  ): Flow | undefined {
    const clauses = new Map<number, Set<number>>();
    const counts = new Map<number, number>();
    for (const action of parts.flatMap(({ apply }) => apply ?? [])) {
      if (action.kind !== 'conjunction') throw new Error('something beside a conjunction');
      clauses.set(action.id, (clauses.get(action.id) ?? new Set()).add(action.clause));
      counts.set(action.id, action.of);
    }
    const complete = [...clauses].filter(([id, fitting]) => fitting.size === counts.get(id));
    const flows = complete.flatMap(([id]) => {
      const conjoined: State = new Map([...state, ['conjId', BigInt(id)]]);
      return (this.#tables.get(table) ?? []).filter(
        (flow) =>
          flow.priority === priority &&
          flow.match.conjId !== undefined &&
          fits(flow.match, conjoined),
      );
    });
    // who is counted for it is another matter
    const said = new Set(flows.map(({ goto }) => goto));
    if (said.size > 1) throw new Error('two conjunctions fit that say two things');
    return flows[0];
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
        return this.#copies(this.#groups.get(action.group), state, run);
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
      case 'ctClear':
        return void state.set('ctState', 0n);
      case 'controller': {
        const { meter } = action;
        const meters = meter === undefined ? run.meters : [...run.meters, meter];
        return output(reservedPort.controller, state, { ...run, meters });
      }
      case 'push':
      case 'pop':
      case 'setQueue':
      case 'conjunction':
      case 'note':
      case 'opaque':
        throw new Error(`action ${action.kind} is not on paper`);
    }
  }

  /** To every bucket, or to the one whose turn it is. */
  #copies(group: Group | undefined, state: State, run: Run): void {
    const buckets = group?.buckets ?? [];
    const turn = this.#turns++ % Math.max(1, buckets.length);
    const meant = group?.type === 'select' ? buckets.slice(turn, turn + 1) : buckets;
    for (const { actions } of meant) this.#act(actions, new Map(state), run);
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

const asText = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString(16) : value;

const placesKnown = new WeakMap<Flow, string>();

/** A flow's table, priority and match: a switch has one of these only. */
function placeOf(flow: Flow): string {
  const known = placesKnown.get(flow);
  if (known !== undefined) return known;
  const match = Object.entries(flow.match).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const text = JSON.stringify([flow.table, flow.priority, match], asText);
  placesKnown.set(flow, text);
  return text;
}

const isPart = ({ apply }: Flow): boolean =>
  apply?.some(({ kind }) => kind === 'conjunction') === true;

interface Run {
  readonly sent: Sent[];
  readonly length: number;
  readonly steps: { left: number };
  readonly cookie: bigint;
  readonly table: number;
  readonly meters: readonly number[];
}

function output(port: number, state: State, { sent, length, cookie, table, meters }: Run): void {
  const inPort = Number(state.get('inPort'));
  if (port === inPort) return;
  const { inPort: back } = reservedPort;
  sent.push({
    port: port === back ? inPort : port,
    packet: { fields: Object.fromEntries(state), length },
    cookie,
    table,
    meters,
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

/** Flows that a switch takes: looking at one takes longer than installing it. */
const sound = new WeakSet<Flow>();

/** Fails for a flow that a switch would refuse, and all that is sent with it. */
function requireSound(flow: Flow): void {
  if (sound.has(flow)) return;
  const faults = matchFaults(flow.match);
  if (faults.length > 0) throw new Error(`a switch refuses ${placeOf(flow)}: ${faults.join(', ')}`);
  sound.add(flow);
}
