/**
 * Bundles (ONF extension 230): a list of messages that takes effect as a whole. A switch commits the good
 * messages of a bundle when one of them was refused while it was added, so we look at what was refused
 * before we commit, and discard the bundle if there was anything.
 */
import { FairleadError } from '../../errors.ts';
import { writeMessage } from './codec/encode.ts';
import { bundleFlag, type BundledMessage, type BundleStep } from './codec/messages.ts';
import { RefusalList } from './refusal.ts';
import type { AskOptions, OpenFlowSession } from './session.ts';

/** How a bundle is bounded. */
export interface BundleOptions extends AskOptions {
  /** Default true: in the order of the list. Otherwise the switch may choose. */
  readonly ordered?: boolean | undefined;
}

/**
 * Opens a bundle, adds all messages, and commits it when none was refused.
 * @throws OVS_REFUSED (nothing changed), OVS_DOWN and DEADLINE (`detail.outcome`), BUSY (nothing changed)
 */
export async function sendBundle(
  session: OpenFlowSession,
  bundle: number,
  messages: readonly BundledMessage[],
  options: BundleOptions,
): Promise<void> {
  const flags = bundleFlag.atomic | (options.ordered === false ? 0 : bundleFlag.ordered);
  const refusals = new RefusalList();
  const step = (name: BundleStep, bounds: AskOptions) =>
    session.ask({ kind: 'bundleControl', bundle, step: name, flags }, bounds, (reply) => {
      if (reply.kind === 'bundleReply' && reply.bundle === bundle) return true;
      throw new FairleadError('OVS_PROTOCOL', `no answer to ${name} of a bundle`);
    });
  const add = async () => {
    // not waited for: what follows is refused if it is
    const opened = step('open', options);
    opened.catch(() => undefined);
    const batch = await session.sendAll(
      messages,
      (writer, message, xid) =>
        // the inner message has the same number, so that an error is ours whichever it names
        writeMessage(writer, { kind: 'bundleAdd', bundle, flags, message, innerXid: xid }, xid),
      { signal: options.signal, onError: (index, error) => refusals.add(index, error) },
    );
    try {
      await opened;
      await session.ask({ kind: 'barrierRequest' }, options, () => true);
    } catch (thrown) {
      session.release(batch);
      throw thrown;
    }
    return batch;
  };
  let batch;
  try {
    batch = await add();
  } catch (thrown) {
    await step('discard', {}).catch(() => undefined);
    throw withOutcome(thrown, 'not-sent');
  }
  try {
    if (refusals.count > 0) {
      await step('discard', {}).catch(() => undefined);
      throw refusals.error();
    }
    await step('commit', options).catch((thrown: unknown) => {
      // the switch says first which message it was
      if (refusals.count > 0) throw refusals.error();
      throw withOutcome(thrown, 'unknown');
    });
  } finally {
    session.release(batch);
  }
}

/** Whether something changed, for errors that do not tell. */
function withOutcome(thrown: unknown, outcome: 'unknown' | 'not-sent'): unknown {
  if (!(thrown instanceof FairleadError) || thrown.code === 'OVS_REFUSED') return thrown;
  return new FairleadError(thrown.code, thrown.message, { detail: { outcome }, cause: thrown });
}
