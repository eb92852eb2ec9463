/**
 * Keeps a replica equal to the server's tables: monitor_cond_since (update3) where the server knows
 * it, else monitor_cond (update2), else the monitor of RFC 7047 (update). Guarantees: after an error
 * or a new connection the replica is brought up to date as a whole, and every difference is reported.
 *
 * There is no condition on rows: bridges of others must be seen to respect their names, ports that
 * somebody puts into our bridge must be seen to leave them alone. The columns are the few in
 * `schema.ts`, so the rows of others cost memory but no traffic to speak of.
 */
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import type { OvsdbConnection } from './connection.ts';
import { parse, refusalOf } from './message.ts';
import type { Change, Replica } from './replica.ts';
import { columnsOf, databaseName, tableNames } from './schema.ts';
import { decodeUpdates, type UpdateFormat } from './updates.ts';
import { isUuid, zeroUuid, type Uuid } from './values.ts';

/** The monitor of one replica, over any number of connections, one after another. */
export interface Monitor {
  /**
   * Starts on a new connection: afterwards the replica is the server's state.
   * @throws what {@link OvsdbConnection.request} throws
   */
  start(connection: OvsdbConnection, signal: AbortSignal): Promise<void>;
  /**
   * Takes a notification.
   * @returns false when it is none of a monitor
   * @throws OVS_PROTOCOL, OVS_DOWN when the server has cancelled the monitor
   */
  notify(method: string, params: readonly unknown[]): boolean;
}

type MonitorMethod = 'monitor_cond_since' | 'monitor_cond' | 'monitor';

const methods: readonly MonitorMethod[] = ['monitor_cond_since', 'monitor_cond', 'monitor'];

const formats: Readonly<Record<MonitorMethod, UpdateFormat>> = {
  monitor_cond_since: 'updates2',
  monitor_cond: 'updates2',
  monitor: 'updates',
};

const monitorId = 'fairlead';
const uuidSchema = z.custom<Uuid>(isUuid);
const sinceResultSchema = z.tuple([z.boolean(), uuidSchema, z.unknown()]);

const updateSchema = z.tuple([z.literal(monitorId), z.unknown()]);
const update3Schema = z.tuple([z.literal(monitorId), uuidSchema, z.unknown()]);

/** Makes a monitor that feeds `replica` and tells `onChange` what became different. */
export function createMonitor(replica: Replica, onChange: (change: Change) => void): Monitor {
  // the last transaction that the replica holds; zero when the server does not number them
  let lastTransaction = zeroUuid;
  const requests = Object.fromEntries(
    tableNames.map((table) => [table, [{ columns: Object.keys(columnsOf(table)) }]]),
  );

  /** Applies; when that fails the next connection fetches everything. */
  const take = (format: UpdateFormat, json: unknown, transaction: Uuid, whole: boolean) => {
    lastTransaction = zeroUuid;
    const updates = decodeUpdates(format, json);
    const change = whole ? replica.replace(updates) : replica.apply(updates);
    lastTransaction = transaction;
    if (change !== undefined) onChange(change);
  };

  const takeSnapshot = (method: MonitorMethod, result: unknown) => {
    if (method !== 'monitor_cond_since') {
      take(formats[method], result, zeroUuid, true);
      return;
    }
    const [found, transaction, json] = parse(sinceResultSchema, result, 'a snapshot');
    if (found && lastTransaction === zeroUuid) {
      throw new FairleadError('OVS_PROTOCOL', 'ovsdb-server resumes what was never begun');
    }
    take(formats[method], json, transaction, !found);
  };

  return {
    async start(connection, signal) {
      for (const method of methods) {
        const since = method === 'monitor_cond_since' ? [lastTransaction] : [];
        try {
          // the snapshot is applied inside decode: updates may follow in the same bytes
          await connection.request(method, [databaseName, monitorId, requests, ...since], {
            decode: (result) => takeSnapshot(method, result),
            signal,
          });
          return;
        } catch (thrown) {
          const unknown = refusalOf(thrown)?.error === 'unknown method';
          if (!unknown || method === 'monitor') throw thrown;
        }
      }
    },

    notify(method, params) {
      const update = readNotification(method, params);
      if (update === undefined) return false;
      take(update.format, update.json, update.transaction, false);
      return true;
    },
  };
}

interface Notification {
  readonly format: UpdateFormat;
  readonly json: unknown;
  readonly transaction: Uuid;
}

function readNotification(method: string, params: readonly unknown[]): Notification | undefined {
  switch (method) {
    case 'update':
    case 'update2': {
      const [, json] = parse(updateSchema, params, 'an update');
      const format = method === 'update' ? 'updates' : 'updates2';
      return { format, json, transaction: zeroUuid };
    }
    case 'update3': {
      const [, transaction, json] = parse(update3Schema, params, 'an update');
      return { format: 'updates2', json, transaction };
    }
    case 'monitor_canceled':
      throw new FairleadError('OVS_DOWN', 'ovsdb-server has taken the database away');
    default:
      return undefined;
  }
}
