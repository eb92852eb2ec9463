/**
 * Link events as they happen, by netlink's multicast group. They are hints to look again: several
 * changes may come as one, and when the kernel had to drop some, `lost` says so. Waiting events are
 * fetched every `linkWatchPollMs` without blocking: a thread blocked in recv would hold one of the
 * runtime's few and keep the process alive, and no poll of file descriptors works on all runtimes.
 * The timer does not keep the process alive.
 */
import { FairleadError } from '../../errors.ts';
import {
  linkWatchBufferBytes,
  linkWatchPollMs,
  linkWatchReadsMax,
  netlinkReadBytes,
} from '../../limits.ts';
import { errorNumber, nativeBytes, socketNumber, type Libc } from './libc.ts';
import { decodeLink, linkMessage, type Link } from './link-messages.ts';
import { splitMessages, type NetlinkMessage } from './netlink-codec.ts';
import { openNetlink } from './netlink-socket.ts';

/** What happened. */
export type LinkEvent =
  | { readonly kind: 'changed'; readonly link: Link }
  | { readonly kind: 'removed'; readonly link: Link }
  | { readonly kind: 'lost' };

/** Stops a watch. Calls after the first do nothing. */
export interface LinkWatch {
  close(): void;
}

const groupLink = 1;

/**
 * Calls `listener` for every event from now on. It must not throw.
 * @throws LINK_FAILED
 */
export function watchLinks(libc: Libc, listener: (event: LinkEvent) => void): LinkWatch {
  const descriptor = openNetlink(libc, groupLink);
  const ended = new AbortController();
  const size = nativeBytes(4);
  new DataView(size.buffer).setInt32(0, linkWatchBufferBytes, true);
  // needs CAP_NET_ADMIN; without it the default size serves, and loss is told
  libc.setOption(descriptor, socketNumber.levelSocket, socketNumber.receiveBufferForce, size);
  const buffer = nativeBytes(netlinkReadBytes);
  const fetch = () => {
    for (let read = 0; read < linkWatchReadsMax; read++) {
      const length = libc.receiveNow(descriptor, buffer);
      if (length === -errorNumber.EAGAIN) return;
      for (const event of eventsOf(buffer, length)) {
        listener(event);
        if (ended.signal.aborted) return;
      }
    }
  };
  const timer = setInterval(fetch, linkWatchPollMs);
  timer.unref();
  return {
    close: () => {
      if (ended.signal.aborted) return;
      ended.abort();
      clearInterval(timer);
      libc.close(descriptor);
    },
  };
}

/** Events of one read. Whatever cannot be read (ENOBUFS, a cut or unknown message) counts as lost. */
function eventsOf(buffer: Uint8Array, length: number): LinkEvent[] {
  if (length < 0 || length > buffer.length) return [{ kind: 'lost' }];
  try {
    return splitMessages(buffer.subarray(0, length)).flatMap(eventOf);
  } catch (error) {
    if (error instanceof FairleadError) return [{ kind: 'lost' }];
    throw error;
  }
}

function eventOf({ type, body }: NetlinkMessage): LinkEvent[] {
  if (type === linkMessage.created) return [{ kind: 'changed', link: decodeLink(body) }];
  if (type === linkMessage.removed) return [{ kind: 'removed', link: decodeLink(body) }];
  return [];
}
