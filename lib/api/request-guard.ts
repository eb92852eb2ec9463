/** What every request for objects goes through: bounds, and refusals that say nothing of the inside. */
import { asFairleadError, FairleadError } from '../errors.ts';
import { apiRequestsMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import { requireFewHeaders } from './contiv/request.ts';

/** Does the work of a request, or refuses it. */
export type RequestGuard = (request: Request, work: () => Promise<Response>) => Promise<Response>;

/**
 * A guard that lets so many changes in at the same time, and as many looks: a change may wait for other hosts.
 * `refuse` says it in the face's own way.
 */
export function requestGuard(
  log: Logger,
  refuse: (error: FairleadError, asked: Headers) => Response,
): RequestGuard {
  const inWork = { looks: 0, changes: 0 };
  return async (request, work) => {
    const { headers, url, method } = request;
    const kind = method === 'GET' || method === 'HEAD' ? 'looks' : 'changes';
    if (inWork[kind] >= apiRequestsMax) {
      return refuse(new FairleadError('BUSY', `${apiRequestsMax} ${kind} are in work`), headers);
    }
    inWork[kind] += 1;
    try {
      requireFewHeaders(headers);
      return await work();
    } catch (thrown) {
      const error = asFairleadError(thrown);
      if (error.code !== 'INTERNAL') return refuse(error, headers);
      log.error({ err: error, path: new URL(url).pathname }, 'request failed');
      return refuse(new FairleadError('INTERNAL', 'internal error, the log says more'), headers);
    } finally {
      inWork[kind] -= 1;
    }
  };
}
