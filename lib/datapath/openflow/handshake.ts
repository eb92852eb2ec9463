/**
 * Connecting to a bridge's management socket: hello with version 1.3 only, features, and the setting
 * without which the switch tells such a connection nothing by itself (OpenFlow 1.3.5 section 6.3).
 */
import { FairleadError } from '../../errors.ts';
import { openflowRequestMs } from '../../limits.ts';
import { connectTo } from '../connection/connect.ts';
import { writeMessage } from './codec/encode.ts';
import { version13, type Reply, type Request } from './codec/messages.ts';
import { OpenFlowSession, type SessionOptions } from './session.ts';

/** What a switch says of itself. */
export type Features = Extract<Reply, { readonly kind: 'featuresReply' }>;

/** Whole packets are sent to us. */
const missSendBytes = 0xffff;

/** A session after the handshake. */
export interface Opened {
  readonly session: OpenFlowSession;
  readonly features: Features;
}

/**
 * Connects and agrees.
 * @throws OVS_DOWN when nobody listens or answers, OVS_REFUSED, OVS_PROTOCOL; the signal's reason
 */
export async function openSession(
  options: Omit<SessionOptions, 'socket'> & {
    readonly path: string;
    readonly signal: AbortSignal;
  },
): Promise<Opened> {
  const { path, clock, signal } = options;
  const timeoutMs = openflowRequestMs;
  const socket = await connectTo({ daemon: 'ovs-vswitchd', path, clock, timeoutMs, signal });
  const session = new OpenFlowSession({ ...options, socket });
  try {
    const start: readonly Request[] = [{ kind: 'hello', versions: [version13] }];
    session.release(await session.sendAll(start, writeMessage, { onError: () => undefined }));
    let features: Features | undefined;
    await session.ask({ kind: 'featuresRequest' }, { signal }, (reply) => {
      if (reply.kind === 'featuresReply') features = reply;
      return true;
    });
    if (features === undefined) {
      throw new FairleadError('OVS_PROTOCOL', 'the switch does not say what it can do');
    }
    const configure: readonly Request[] = [
      { kind: 'setConfiguration', fragments: 0, missSendBytes },
    ];
    session.release(await session.sendAll(configure, writeMessage, { onError: () => undefined }));
    await session.ask({ kind: 'barrierRequest' }, { signal }, () => true);
    return { session, features };
  } catch (thrown) {
    session.close(
      thrown instanceof FairleadError ? thrown : new FairleadError('STOPPING', 'the agent stops'),
    );
    throw thrown;
  }
}
