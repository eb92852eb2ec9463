/**
 * What a client asks for the next page of a list with. It says by itself which list it is of and where that goes on,
 * so that any host understands it.
 */
import { storeKeyBytesMax } from '../../limits.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import { objectKey, type ObjectName } from '../../model/objects/object-keys.ts';
import type { PagePlace } from '../../network/objects/list-page.ts';
import { wrong } from './query.ts';

/** A list: of a kind, with a selector as it was written. */
export interface NamedList {
  readonly kind: ObjectKind;
  readonly selectorText: string;
  /** The tenant that the selector means, if it means one. */
  readonly tenant: string | undefined;
}

/** The token for a place in a list. */
export function tokenOf({ kind, selectorText }: NamedList, { revision, after }: PagePlace): string {
  const said = [kind.plural, selectorText, revision, ...after.parts];
  return Buffer.from(JSON.stringify(said)).toString('base64url');
}

/**
 * The place that a token means.
 * @throws REQUEST_INVALID for a text that is no token, or one of another list
 */
export function readToken(text: string, { kind, selectorText, tenant }: NamedList): PagePlace {
  const [plural, selector, revision, ...parts] = saidIn(text);
  if (plural !== kind.plural || selector !== selectorText) {
    throw wrong('continue is of another list: kind and selector must be those of its first page');
  }
  const after = parts.filter((part) => typeof part === 'string' && part.isWellFormed());
  const isKey = after.length === parts.length && after.length === kind.key.length;
  const name: ObjectName = { kind: kind.name, parts: after as readonly string[] };
  const isRevision = Number.isSafeInteger(revision) && Number(revision) >= 0;
  if (!isRevision || !isKey || objectKey(name).length >= storeKeyBytesMax) throw noToken();
  if (tenant !== undefined && after[0] !== tenant) throw noToken();
  return { revision: Number(revision), after: name };
}

function saidIn(text: string): readonly unknown[] {
  try {
    const said = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown;
    if (Array.isArray(said)) return said;
  } catch {
    // not a token
  }
  throw noToken();
}

const noToken = (): Error => wrong('continue is not what a list answered with');
