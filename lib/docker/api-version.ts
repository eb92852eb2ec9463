/** Which version of its API an engine is spoken to in. Pure. */
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
import type { versionSchema } from './schemas.ts';

/** The oldest API that has all we ask for: Docker 1.12. */
const oldest = 24;
/** The newest API we were written against; older engines are spoken to in theirs. */
const newest = 44;

/**
 * The lower of the engine's newest version and ours, or the engine's oldest where that is newer than ours: what we
 * ask for did not change in those that there are.
 * @throws DOCKER_VERSION for an engine that is too old, DOCKER_PROTOCOL for what is no version
 */
export function agreedApi(said: z.infer<typeof versionSchema>): string {
  const most = minorOf(said.ApiVersion);
  const least = said.MinAPIVersion ? minorOf(said.MinAPIVersion) : 0;
  if (most < oldest) {
    throw new FairleadError(
      'DOCKER_VERSION',
      `Docker ${said.Version} speaks its API up to ${said.ApiVersion}, expected 1.${oldest} or newer`,
    );
  }
  if (least > most) throw unknown(said.MinAPIVersion ?? '');
  return `1.${Math.max(least, Math.min(most, newest))}`;
}

function minorOf(text: string): number {
  const minor = /^1\.(0|[1-9][0-9]{0,3})$/.exec(text)?.[1];
  if (minor === undefined) throw unknown(text);
  return Number(minor);
}

const unknown = (text: string): FairleadError =>
  new FairleadError(
    'DOCKER_PROTOCOL',
    `Docker names an unknown API version ${JSON.stringify(text.slice(0, 32))}`,
  );
