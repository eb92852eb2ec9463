/**
 * What is agreed with the server on each new connection, in this order: the schema fits, the lock is
 * asked for, the monitor runs. Guarantees: when `openSession` resolves, the replica is the server's
 * state and the lock's state is known. Knows nothing of reconnecting.
 */
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import { OvsdbConnection } from './connection.ts';
import { parse } from './message.ts';
import type { Monitor } from './monitor.ts';
import { databaseName } from './schema.ts';
import { checkSchema } from './schema-check.ts';

/** What a session needs and whom it tells. */
export interface SessionOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly monitor: Monitor;
  /** Name of the lock; whoever holds it writes. */
  readonly lock: string;
  /** The lock is ours, or is not (any more). */
  readonly onLock: (held: boolean) => void;
  readonly onClosed: (reason: FairleadError) => void;
}

const lockedSchema = z.object({ locked: z.boolean() });

/**
 * Connects and agrees.
 * @throws OVS_DOWN, DEADLINE, OVS_REFUSED (no such database, or too old), OVS_PROTOCOL, the reason of
 *   the signal; nothing stays open then
 */
export async function openSession(options: SessionOptions): Promise<OvsdbConnection> {
  const { monitor, lock, signal } = options;
  const connection: OvsdbConnection = await OvsdbConnection.open({
    path: options.path,
    clock: options.clock,
    signal,
    onClosed: options.onClosed,
    onNotification: (method, params) => {
      if (monitor.notify(method, params)) return;
      if (params[0] !== lock) return;
      if (method === 'locked') options.onLock(true);
      if (method === 'stolen') {
        options.onLock(false);
        // back to the end of the queue; a failure of this ends the connection, so nothing is lost
        void queueAgain(connection, options);
      }
    },
  });
  try {
    await connection.request('get_schema', [databaseName], { decode: checkSchema, signal });
    await requestLock(connection, options);
    await monitor.start(connection, signal);
    return connection;
  } catch (thrown) {
    connection.close(asDown(thrown));
    throw thrown;
  }
}

/** Asks for the lock; without it we stand in its queue, and a notification comes (section 4.1.8). */
function requestLock(connection: OvsdbConnection, options: SessionOptions): Promise<void> {
  return connection.request('lock', [options.lock], {
    decode: (result) => options.onLock(parse(lockedSchema, result, 'the state of a lock').locked),
    signal: options.signal,
  });
}

async function queueAgain(connection: OvsdbConnection, options: SessionOptions): Promise<void> {
  try {
    await connection.request('unlock', [options.lock], { decode: () => undefined });
    await requestLock(connection, options);
  } catch (thrown) {
    connection.close(asDown(thrown));
  }
}

function asDown(cause: unknown): FairleadError {
  if (cause instanceof FairleadError) return cause;
  return new FairleadError('OVS_DOWN', 'the connection to ovsdb-server was given up', { cause });
}
