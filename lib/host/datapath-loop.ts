/**
 * Keeps the switch equal to the store: at start, when Open vSwitch comes back, when something changed
 * that we did not do, and now and then. One path for all of them (DESIGN I4).
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { BridgeFlows } from '../datapath/bridge-flows.ts';
import type { Publication } from '../datapath/outside/rules.ts';
import type { ReconcileReport } from '../datapath/report.ts';
import type { HostSwitch } from '../datapath/switch.ts';
import type { UplinkProblem, Uplinks } from '../datapath/uplink/uplinks.ts';
import { asFairleadError, describeError } from '../errors.ts';
import { absentConfirmMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { StateStore } from '../store/port.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { showForeign } from './foreign-conditions.ts';
import type { HostOutside } from './outside.ts';
import { readNetworks, readPorts } from './records.ts';

/** What the loop is made of. */
export interface DatapathLoopParts {
  readonly store: StateStore;
  readonly hostSwitch: HostSwitch;
  readonly uplinks: Pick<Uplinks, 'reconcile'>;
  readonly flows: Pick<BridgeFlows, 'scan' | 'failure'>;
  /** Tells the switch the way to other hosts, where it has to be told. */
  readonly teachNeighbours: () => Promise<void>;
  /** Shows where MTUs do not fit one another. */
  readonly showPaths: () => void;
  readonly outside: Pick<HostOutside, 'decide' | 'apply'>;
  /** What published ports lead to. */
  readonly published: () => Promise<readonly Publication[]>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
}

/** Conditions that a failed run is shown as; anything else is RECONCILE_FAILED. */
const switchConditions = [
  'OVS_DOWN',
  'OVS_STALLED',
  'OVS_LOCKED',
  'BRIDGE_NOT_OURS',
  'PORT_NOT_OURS',
] as const;

/** Starts the loop. */
export function startDatapathLoop(parts: DatapathLoopParts): Loop {
  const { clock, conditions, log } = parts;
  let lastFailure = '';
  let detachedBefore: ReadonlySet<string> = new Set();
  return startLoop({
    clock,
    pace: reconcilePace,
    run: async (signal) => {
      const networks = await readNetworks(parts.store);
      await parts.outside.decide(networks.map(({ value }) => value));
      const report = await parts.hostSwitch.reconcile(() => readPorts(parts.store), signal);
      await parts.teachNeighbours();
      const soonMs = await parts.outside.apply(await parts.published());
      parts.flows.scan();
      parts.showPaths();
      conditions.set(
        'FLOWS_REFUSED',
        parts.flows.failure === undefined ? undefined : describeError(parts.flows.failure),
      );
      showUplinks(conditions, await parts.uplinks.reconcile(signal));
      if (report.repaired > 0) log.info({ repaired: report.repaired }, 'reconciled the switch');
      showForeign(conditions, report.foreign);
      const before = detachedBefore;
      detachedBefore = showReport(conditions, report, before);
      const isNew = [...detachedBefore].some((endpointId) => !before.has(endpointId));
      showFailure(conditions, undefined);
      lastFailure = '';
      return isNew ? Math.min(absentConfirmMs, soonMs ?? absentConfirmMs) : soonMs;
    },
    onError: (thrown) => {
      const error = asFairleadError(thrown);
      showFailure(conditions, error);
      // once per reason: it is tried again and again
      if (error.message === lastFailure) return;
      lastFailure = error.message;
      log.warn({ err: error }, 'could not reconcile the switch');
    },
  });
}

/** Conditions of uplinks: one line each, of the first uplink that has it. */
const uplinkConditions = [
  'UPLINK_IN_USE',
  'UPLINK_ABSENT',
  'UPLINK_FAILED',
  'UPLINK_DOWN',
  'UPLINK_SHARED',
] as const;

function showUplinks(conditions: Conditions, problems: readonly UplinkProblem[]): void {
  for (const code of uplinkConditions) {
    const messages = problems.filter((one) => one.code === code).map(({ message }) => message);
    conditions.set(code, messages.length === 0 ? undefined : messages.join('; '));
  }
}

function showFailure(
  conditions: Conditions,
  error: ReturnType<typeof asFairleadError> | undefined,
): void {
  const known = switchConditions.find((code) => code === error?.code);
  for (const code of switchConditions) {
    conditions.set(code, error !== undefined && code === known ? describeError(error) : undefined);
  }
  const other = error !== undefined && known === undefined;
  conditions.set('RECONCILE_FAILED', other ? describeError(error) : undefined);
}

/** An endpoint counts as detached when two runs in a row saw it so: the first may have met its Join. */
function showReport(
  conditions: Conditions,
  report: ReconcileReport,
  before: ReadonlySet<string>,
): ReadonlySet<string> {
  const now = new Set(report.detached.map(({ endpointId }) => endpointId));
  const lasting = [...now].filter((endpointId) => before.has(endpointId));
  conditions.set(
    'ENDPOINT_DETACHED',
    lasting.length === 0
      ? undefined
      : `${lasting.length} endpoints have lost their link (first: ${lasting[0]}); restart their containers`,
  );
  const [failed] = report.failed;
  conditions.set(
    'PORT_FAILED',
    failed === undefined
      ? undefined
      : `ovs-vswitchd cannot use ${report.failed.length} ports (first: ${failed.name}: ${failed.error}); they are made again`,
  );
  return now;
}
