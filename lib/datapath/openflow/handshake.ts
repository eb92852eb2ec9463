/**
 * Connecting to a bridge's management socket: hello with version 1.3 only, features, and the setting
 * without which the switch tells such a connection nothing by itself (OpenFlow 1.3.5 section 6.3).
 */
import { FairleadError } from '../../errors.ts';
import { openflowRequestMs } from '../../limits.ts';
import { connectTo } from '../connection/connect.ts';
import { writeMessage } from './codec/encode.ts';
import { version13, type Reply, type Request } from './codec/messages.ts';
import { OpenFlowSession, type AskOptions, type SessionOptions } from './session.ts';

/** What a switch says of itself. */
export type Features = Extract<Reply, { readonly kind: 'featuresReply' }>;

/**
 * Whole packets are sent to us; and first fragments have the ports and ICMP types that they have, for flows to
 * see. Without that (Open vSwitch's own default) a fragment passes every flow that looks at them
 * (ovs-ofctl(8), set-frags: nx-match).
 */
const configuration: Request = {
  kind: 'setConfiguration',
  fragments: 3,
  missSendBytes: 0xffff,
};

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
    // all at once: a switch that has just started is busy, and each turn of its loop is long
    const start: readonly Request[] = [{ kind: 'hello', versions: [version13] }];
    session.release(await session.sendAll(start, writeMessage, { onError: () => undefined }));
    let features: Features | undefined;
    await Promise.all([
      session.ask({ kind: 'featuresRequest' }, { signal }, (reply) => {
        if (reply.kind === 'featuresReply') features = reply;
        return true;
      }),
      configure(session, { signal }),
    ]);
    if (features === undefined) {
      throw new FairleadError('OVS_PROTOCOL', 'the switch does not say what it can do');
    }
    return { session, features };
  } catch (thrown) {
    session.close(
      thrown instanceof FairleadError ? thrown : new FairleadError('STOPPING', 'the agent stops'),
    );
    throw thrown;
  }
}

/** Tells the switch how to treat us and fragments; anybody may have told it otherwise. @throws as ask */
export async function configure(session: OpenFlowSession, options: AskOptions): Promise<void> {
  const batch = await session.sendAll([configuration], writeMessage, {
    signal: options.signal,
    onError: () => undefined,
  });
  session.release(batch);
  await session.ask({ kind: 'barrierRequest' }, options, () => true);
}
