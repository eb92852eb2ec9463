/**
 * Changes of objects as server-sent events: one event for each revision that changed some, with the revision as its
 * id, so that who comes back with `Last-Event-ID` misses none. Nothing is kept for a client that does not read: the
 * store lets go of it, and it lists again.
 */
import type { Clock } from '../../clock.ts';
import { asFairleadError, type FairleadError } from '../../errors.ts';
import { apiWatchBeatMs, apiWatchOpenMs } from '../../limits.ts';
import { documentOf } from '../../model/objects/document.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import { defaultConfig } from '../../model/objects/read-config.ts';
import { isSelected, type Selector } from '../../model/objects/selector.ts';
import { sameValue } from '../../network/same-value.ts';
import { shownRow, type ShownRow } from '../../network/objects/show.ts';
import type { KeyValue, WatchBatch, WatchEvent } from '../../store/port.ts';
import { errorIn } from './answers.ts';

/** A watch to answer. */
export interface WatchPlan {
  readonly kind: ObjectKind;
  readonly selector: Selector;
  readonly clock: Clock;
  /** Changes, until the signal is aborted. */
  readonly open: (signal: AbortSignal) => AsyncIterable<WatchBatch>;
  /** Aborted when the host stops: watches end then. */
  readonly stopping: AbortSignal | undefined;
  /** Called when nobody watches any more. */
  readonly onEnd: () => void;
}

type Next = IteratorResult<WatchBatch> | { readonly failure: FairleadError };

/**
 * Answers a watch.
 * @throws STORE_COMPACTED when the changes that it is to begin with are forgotten
 */
export async function answerWatch(plan: WatchPlan): Promise<Response> {
  const { clock } = plan;
  const ended = new AbortController();
  const iterator = plan.open(ended.signal)[Symbol.asyncIterator]();
  const end = (): void => {
    plan.stopping?.removeEventListener('abort', end);
    ended.abort();
    plan.onEnd();
  };
  plan.stopping?.addEventListener('abort', end);
  let next = nextOf(iterator);
  const early = await Promise.race([next, pauseOf(clock, apiWatchOpenMs, ended.signal)]);
  if (early !== 'paused' && 'failure' in early) {
    end();
    throw early.failure;
  }
  const encoder = new TextEncoder();
  let isLeft = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const beat = new AbortController();
        const found = await Promise.race([next, pauseOf(clock, apiWatchBeatMs, beat.signal)]);
        beat.abort();
        if (isLeft) return;
        if (found === 'paused') {
          controller.enqueue(encoder.encode(': still here\n\n'));
        } else if ('failure' in found) {
          controller.enqueue(encoder.encode(eventText('error', { error: errorIn(found.failure) })));
          end();
          controller.close();
        } else if (found.done === true) {
          end();
          controller.close();
        } else {
          next = nextOf(iterator);
          controller.enqueue(encoder.encode(textOf(plan, found.value)));
        }
      },
      cancel() {
        isLeft = true;
        end();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  });
}

async function nextOf(iterator: AsyncIterator<WatchBatch>): Promise<Next> {
  try {
    return await iterator.next();
  } catch (thrown) {
    return { failure: asFairleadError(thrown) };
  }
}

async function pauseOf(clock: Clock, ms: number, signal: AbortSignal): Promise<'paused'> {
  await clock.sleep(ms, signal).catch(() => undefined);
  return 'paused';
}

/** What a batch says; a comment, where nothing that is meant has changed. */
function textOf({ kind, selector }: WatchPlan, { revision, events }: WatchBatch): string {
  const changes = events.flatMap((event) => changeOf(kind, selector, event) ?? []);
  if (changes.length === 0) return `id: ${revision}\n: nothing of it\n\n`;
  return `id: ${revision}\n${eventText('change', { revision, changes })}`;
}

const eventText = (event: string, data: object): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function changeOf(kind: ObjectKind, selector: Selector, event: WatchEvent): object | undefined {
  const before = shown(kind, event.previous);
  const after = shown(kind, event.type === 'put' ? event.row : undefined);
  const wasMeant = before !== undefined && isSelected(selector, before.config);
  if (after !== undefined && isSelected(selector, after.config)) {
    // rows have more than the configuration, and change with it
    if (wasMeant && sameValue(before.config, after.config)) return undefined;
    const object = documentOf(kind, after.config, after.revision);
    return { type: wasMeant ? 'changed' : 'created', object };
  }
  return wasMeant ? { type: 'removed', object: documentOf(kind, before.config) } : undefined;
}

/** The one object of its kind is there also when it has no row. */
function shown(
  kind: ObjectKind,
  row: KeyValue | undefined,
): Pick<ShownRow, 'config' | 'revision'> | undefined {
  if (row !== undefined) return shownRow(kind, row);
  return kind.name === 'global' ? { config: defaultConfig(kind), revision: 0 } : undefined;
}
