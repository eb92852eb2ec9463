/** How the real driver is put together for a run: real code, small bounds. */
import { Driver } from '../../lib/store/driver/driver.ts';
import { driverBounds, type DriverBounds } from '../../lib/store/driver/options.ts';
import type { DriverPorts } from '../../lib/store/driver/ports.ts';
import type { StoredState } from '../../lib/store/driver/storage.ts';
import { Machine } from '../../lib/store/machine/machine.ts';
import { machineLimits, type MachineLimits } from '../../lib/store/machine/machine-limits.ts';
import type { MemberId } from '../../lib/store/raft/entry.ts';
import type { SimOptions } from './options.ts';

/** How far behind a learner may be when it becomes a voter. */
export const learnerLagEntriesMax = 16;

/** Bounds of the state machine in a run. */
export function simLimits(options: SimOptions): MachineLimits {
  return {
    ...machineLimits,
    storeLeaseTtlMinMs: 1,
    storeSessionsMax: options.sessions,
    storeHistoryRevisionsMax: options.history,
    storeCompactStep: 4,
  };
}

/** Not a good hash, but a fast one: four 32-bit lanes of FNV-1a with different starts. */
function fastHash(text: string): bigint {
  let one = 0x811c9dc5;
  let two = 0x9747b28c;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 0x01000193);
    two = Math.imul(two ^ unit, 0x85ebca6b) ^ (two >>> 13);
  }
  return (BigInt(one >>> 0) << 32n) | BigInt(two >>> 0);
}

function simBounds(options: SimOptions): DriverBounds {
  const { tickMs, electionTicks, retention } = options;
  return {
    ...driverBounds,
    tickMs,
    batch: { entriesMax: options.entriesPerMessageMax * 2, bytesMax: 4096 },
    apply: { entriesMax: 16, bytesMax: 4096 },
    retention: {
      kept: { entries: retention, bytes: 1_000_000 },
      max: { entries: retention * 4 + 40, bytes: 1_000_000 },
      cutMin: Math.max(1, Math.floor(retention / 4)),
      cutMax: 1000,
    },
    transfers: { transfersMax: 2, resendTicks: 4, silentTicks: electionTicks * 4 },
    partBytes: options.partBytes,
    delta: { idleTicks: 2, entriesMax: 16, ride: { entriesMax: 4, bytesMax: 1024 } },
    subscribeTicks: electionTicks,
    digestTicks: electionTicks,
    leaseTicks: 2,
    stallTicks: electionTicks,
    handoverTicks: electionTicks,
  };
}

/** A driver as production opens it. */
export function openDriver(parts: {
  readonly stored: StoredState;
  readonly ports: DriverPorts;
  readonly options: SimOptions;
  readonly isWitness: boolean;
  readonly sources: () => readonly MemberId[];
}): Driver {
  const { stored, ports, options, isWitness, sources } = parts;
  const driverOptions = {
    raft: {
      electionTicks: options.electionTicks,
      heartbeatTicks: options.heartbeatTicks,
      entriesPerMessageMax: options.entriesPerMessageMax,
      bytesPerMessageMax: 4096,
      messagesInFlightMax: options.messagesInFlightMax,
      uncommittedEntriesMax: options.uncommittedEntriesMax,
      uncommittedBytesMax: 1_000_000,
      learnerLagEntriesMax,
      learnerSteadyTicks: options.electionTicks,
    },
    machine: { limits: simLimits(options), hash: fastHash },
    bounds: simBounds(options),
    isWitness,
    sources,
  };
  const machine = isWitness ? undefined : Machine.load(stored.machine, driverOptions.machine);
  return new Driver({ stored, machine, ports, options: driverOptions });
}
