/**
 * The control socket of an Open vSwitch daemon (ovs-appctl(8)): one JSON-RPC request on a connection of its
 * own, as ovs-appctl makes it.
 */
import { connect } from 'node:net';
import { FairleadError } from '../errors.ts';
import { controlAnswerBytesMax, ovsWaitMs } from '../limits.ts';
import { createJsonStream } from './ovsdb/json-stream.ts';

/**
 * Runs a command of the daemon and gives what it prints.
 * @throws OVS_DOWN when nobody answers, OVS_REFUSED with the daemon's words, OVS_PROTOCOL
 */
export async function runControl(
  path: string,
  method: string,
  params: readonly string[],
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(path);
  const stream = createJsonStream({
    bytesMax: controlAnswerBytesMax,
    depthMax: 4,
    onValue: (value) => {
      const { result, error } = value as { readonly result?: unknown; readonly error?: unknown };
      if (typeof error === 'string') {
        reject(new FairleadError('OVS_REFUSED', `${method}: ${error.trim()}`));
      } else if (typeof result === 'string') resolve(result);
      else reject(new FairleadError('OVS_PROTOCOL', `no answer to ${method}`));
    },
  });
  socket.setTimeout(ovsWaitMs, () => socket.destroy());
  socket.on('data', (chunk) => {
    try {
      stream.push(chunk);
    } catch (thrown) {
      reject(thrown);
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    reject(new FairleadError('OVS_DOWN', `no answer to ${method} at ${path}`));
  });
  socket.write(JSON.stringify({ id: 0, method, params }));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
