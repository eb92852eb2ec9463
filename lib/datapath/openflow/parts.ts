/**
 * A question that is answered in parts, collected up to a bound.
 */
import { FairleadError } from '../../errors.ts';
import { openflowEntriesMax } from '../../limits.ts';
import type { MultipartReply, MultipartRequest } from './codec/messages.ts';
import type { AskOptions, OpenFlowSession } from './session.ts';

/**
 * Asks, and gives all parts in the order in which they came.
 * @throws OVS_REFUSED (also for more than `openflowEntriesMax` entries), OVS_DOWN, DEADLINE, BUSY,
 *   OVS_PROTOCOL
 */
export async function askParts<Part extends MultipartRequest['part']>(
  session: OpenFlowSession,
  request: Extract<MultipartRequest, { readonly part: Part }>,
  options: AskOptions,
): Promise<readonly Extract<MultipartReply, { readonly part: Part }>[]> {
  const parts: Extract<MultipartReply, { readonly part: Part }>[] = [];
  let count = 0;
  let failure: FairleadError | undefined;
  await session.ask({ kind: 'multipartRequest', request }, options, (message) => {
    if (message.kind !== 'multipartReply' || !isPart(message.reply, request.part)) {
      failure = new FairleadError('OVS_PROTOCOL', `no answer about ${request.part}`);
      return true;
    }
    count += entriesOf(message.reply);
    if (count > openflowEntriesMax) {
      failure = new FairleadError('OVS_REFUSED', `more ${request.part} than can be handled`);
      return true;
    }
    parts.push(message.reply);
    return !message.more;
  });
  if (failure !== undefined) throw failure;
  return parts;
}

function isPart<Part extends MultipartRequest['part']>(
  reply: MultipartReply,
  part: Part,
): reply is Extract<MultipartReply, { readonly part: Part }> {
  return reply.part === part;
}

function entriesOf(reply: MultipartReply): number {
  if ('entries' in reply) return reply.entries.length;
  return 'updates' in reply ? reply.updates.length : 1;
}
