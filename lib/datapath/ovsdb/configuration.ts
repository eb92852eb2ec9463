/**
 * Which of our changes ovs-vswitchd has taken up. A committed transaction is only stored; who wants to
 * know when it is real raises `Open_vSwitch.next_cfg` in it and waits until vswitchd has set `cur_cfg`
 * to that number or a later one (ovs-vswitchd.conf.db(5)). Knows nothing of connections but whether
 * there is one: time without one does not count against vswitchd, since we could not have seen it.
 */
import { FairleadError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';

/** The two counters, as on the monitor. */
export interface Counters {
  readonly next_cfg: number;
  readonly cur_cfg: number;
}

/** Our changes that are not taken up yet. */
export interface ConfigurationTracker {
  /** A transaction of ours was committed with this next_cfg. */
  committed(nextCfg: number): void;
  /** The counters changed, or were seen anew; undefined when there is no Open_vSwitch row. */
  observe(counters: Counters | undefined): void;
  /** A connection came or went. */
  connected(isConnected: boolean): void;
  /**
   * True when vswitchd has taken up the change.
   * @throws OVS_DOWN when the database that held the change is gone
   */
  isTakenUp(nextCfg: number): boolean;
  /** How long our oldest change waits for vswitchd, in milliseconds with a connection; 0 for none. */
  lagMs(): number;
}

interface Outstanding {
  readonly nextCfg: number;
  /** On the clock that runs only while there is a connection. */
  readonly sinceMs: number;
}

/** Makes a tracker that tells at most `outstandingMax` changes apart. */
export function createConfigurationTracker(
  clock: Clock,
  outstandingMax: number,
): ConfigurationTracker {
  let outstanding: Outstanding[] = [];
  let counters: Counters | undefined;
  let connectedSinceMs: number | undefined;
  let connectedBeforeMs = 0;

  const connectedMs = () =>
    connectedBeforeMs +
    (connectedSinceMs === undefined ? 0 : clock.monotonicMs() - connectedSinceMs);

  return {
    committed(nextCfg) {
      if (counters !== undefined && counters.cur_cfg >= nextCfg) return;
      // the oldest entry is the one that is reported, so the newest may be merged without a loss
      if (outstanding.length >= outstandingMax) outstanding.pop();
      outstanding.push({ nextCfg, sinceMs: connectedMs() });
    },

    observe(seen) {
      counters = seen;
      // a next_cfg below ours: another database is in place of the one that held our change
      outstanding = outstanding.filter(
        ({ nextCfg }) => seen !== undefined && seen.cur_cfg < nextCfg && seen.next_cfg >= nextCfg,
      );
    },

    connected(isConnected) {
      if (isConnected === (connectedSinceMs !== undefined)) return;
      connectedBeforeMs = connectedMs();
      connectedSinceMs = isConnected ? clock.monotonicMs() : undefined;
    },

    isTakenUp(nextCfg) {
      if (counters === undefined || counters.next_cfg < nextCfg) {
        throw new FairleadError('OVS_DOWN', 'the Open vSwitch database was replaced', {
          detail: { nextCfg, counters },
        });
      }
      return counters.cur_cfg >= nextCfg;
    },

    lagMs() {
      const [oldest] = outstanding;
      return oldest === undefined ? 0 : connectedMs() - oldest.sinceMs;
    },
  };
}
