/**
 * The bridge's tables over its OpenFlow connection: read whole, changed in one atomic bundle. Meters cannot
 * stand in a bundle, so new ones come before it and old ones go after it.
 */
import { hasCode } from '../errors.ts';
import type { FlowSwitch } from './bridge-flows.ts';
import type { Change, OpenFlowConnection } from './openflow/connection.ts';
import { cookieKinds, readCookie } from './pipeline/fields.ts';
import type { BundledMessage } from './openflow/codec/messages.ts';
import type { FlowChanges, ObservedFlows } from './reconcile/desired-flows.ts';

/** A bridge by its connection. */
export class OpenFlowSwitch implements FlowSwitch {
  readonly #connection: OpenFlowConnection;
  readonly #onWritten: () => void;

  /** `onWritten` is told of every change that the bridge has. */
  constructor(connection: OpenFlowConnection, onWritten: () => void = () => undefined) {
    this.#connection = connection;
    this.#onWritten = onWritten;
  }

  isConnected(): boolean {
    return this.#connection.state() === 'ready';
  }

  async read(): Promise<ObservedFlows> {
    // all at once: a switch that has just started is busy, and each turn of its loop is long
    const [flows, groups, meters] = await Promise.all([
      this.#connection.flows(),
      this.#connection.groups(),
      this.#connection.meters(),
      this.#connection.configure(),
    ]);
    // what the agent says of itself for some seconds at a time is nothing that should be there
    const lasting = flows.filter(
      ({ flow }) => readCookie(flow.cookie)?.kind !== cookieKinds.nameQuery,
    );
    return { flows: lasting.map(({ flow }) => flow), groups, meters };
  }

  async write(changes: FlowChanges): Promise<void> {
    await this.#setMeters(changes);
    const messages: BundledMessage[] = [
      ...changes.setGroups.map((group): BundledMessage => ({
        kind: 'groupMod',
        command: 'addOrModify',
        group,
      })),
      ...changes.setFlows.map((flow): BundledMessage => ({
        kind: 'flowMod',
        command: 'add',
        flow,
      })),
      ...changes.removeFlows.map(({ table, match, priority }): BundledMessage => ({
        kind: 'flowMod',
        command: 'deleteStrict',
        filter: { table, match },
        priority,
      })),
      ...changes.removeGroups.map((id): BundledMessage => ({
        kind: 'groupMod',
        command: 'delete',
        id,
      })),
    ];
    if (messages.length > 0) {
      await this.#connection.bundle(messages);
      this.#onWritten();
    }
    const gone = changes.removeMeters.map((id): Change => ({
      kind: 'meterMod',
      command: 'delete',
      id,
    }));
    if (gone.length > 0) await this.#connection.apply(gone);
  }

  /** There is no "add or modify" for meters; one that is there already is changed. */
  async #setMeters({ setMeters }: FlowChanges): Promise<void> {
    await Promise.all(
      setMeters.map(async (meter) => {
        try {
          await this.#connection.apply([{ kind: 'meterMod', command: 'add', meter }]);
        } catch (thrown) {
          if (!hasCode(thrown, 'OVS_REFUSED')) throw thrown;
          await this.#connection.apply([{ kind: 'meterMod', command: 'modify', meter }]);
        }
      }),
    );
  }
}
