/** A bridge on paper that keeps what it is told, fails when it is told to, and can be meddled with. */
import type { FlowSwitch } from '../../lib/datapath/bridge-flows.ts';
import type { Flow, Group, Meter } from '../../lib/datapath/openflow/codec/flow.ts';
import type {
  FlowChanges,
  Identity,
  ObservedFlows,
} from '../../lib/datapath/reconcile/desired-flows.ts';
import { FairleadError } from '../../lib/errors.ts';

/** A value as text, numbers of any size included. */
export const asText = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));

/** What is the same, told by text. */
export const textIdentity: Identity = {
  flowKey: ({ table, priority, match }) => asText([table, priority, match]),
  flowBody: ({ table: _table, priority: _priority, match: _match, ...body }) => asText(body),
  groupBody: (group) => asText(group),
  meterBody: (meter) => asText(meter),
};

/** The bridge. */
export class PaperBridge implements FlowSwitch {
  readonly flows = new Map<string, Flow>();
  readonly groups = new Map<number, Group>();
  readonly meters = new Map<number, Meter>();
  /** Flows that were sent, also those that were there already. */
  sent = 0;
  reads = 0;
  connected = true;
  /** What it answers when it is read waits for this. */
  held: Promise<void> = Promise.resolve();
  /** How many of the next writes fail, and whether they leave something behind. */
  failing: { times: number; leaves: 'nothing' | 'all' } = { times: 0, leaves: 'nothing' };

  isConnected(): boolean {
    return this.connected;
  }

  async read(): Promise<ObservedFlows> {
    await Promise.resolve();
    this.#refuse();
    this.reads += 1;
    const { flows, groups, meters } = this;
    const observed = {
      flows: [...flows.values()],
      groups: [...groups.values()],
      meters: [...meters.values()],
    };
    await this.held;
    return observed;
  }

  async write(changes: FlowChanges): Promise<void> {
    await Promise.resolve();
    this.#refuse();
    const fails = this.failing.times > 0;
    if (fails) this.failing.times -= 1;
    if (!fails || this.failing.leaves === 'all') this.do(changes);
    if (fails) throw new FairleadError('OVS_DOWN', 'the paper bridge fails');
  }

  /** Makes changes. */
  do(changes: FlowChanges): void {
    this.sent += changes.setFlows.length + changes.removeFlows.length;
    for (const meter of changes.setMeters) this.meters.set(meter.id, meter);
    for (const group of changes.setGroups) this.groups.set(group.id, group);
    for (const flow of changes.setFlows) this.flows.set(textIdentity.flowKey(flow), flow);
    for (const flow of changes.removeFlows) this.flows.delete(textIdentity.flowKey(flow));
    for (const id of changes.removeGroups) this.groups.delete(id);
    for (const id of changes.removeMeters) this.meters.delete(id);
  }

  /** All that is on it, as texts in order. */
  get content(): readonly (readonly string[])[] {
    return [this.flows, this.groups, this.meters].map((map) =>
      [...map.values()].map((each) => asText(each)).toSorted(),
    );
  }

  #refuse(): void {
    if (!this.connected) throw new FairleadError('OVS_DOWN', 'the paper bridge is away');
  }
}
