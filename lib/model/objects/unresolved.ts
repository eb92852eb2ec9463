/**
 * Rules that name what is not there any more: groups and networks may go while rules name them, as with Contiv. Whoever
 * writes a site as documents marks such rules, so that they can be made where what they name never was. Pure.
 */
import { formatCidr, parseCidr } from '../../ip/ip.ts';
import type { KindName } from './kind.ts';

/** A document as a list gives it. */
interface Listed {
  readonly kind: KindName;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The kinds that rules name by themselves. */
export const namedByRules: ReadonlySet<KindName> = new Set(['endpointGroup', 'network']);

/** The groups and networks of a site, to which rules are held. */
export class NamesThere {
  readonly #groups = new Set<string>();
  readonly #subnets = new Map<string, string>();

  /** Takes in a document; those of other kinds than `namedByRules` mean nothing. */
  add({ kind, metadata, spec }: Listed): void {
    const key = keyOf(metadata, metadata['name']);
    if (kind === 'endpointGroup') this.#groups.add(key);
    if (kind === 'network') this.#subnets.set(key, blockOf(spec['subnet']));
  }

  /** The metadata of a document: of a rule that names what is not there as it was written, it says so. */
  metadataOf({ kind, metadata, spec }: Listed): Listed['metadata'] {
    if (kind !== 'rule') return metadata;
    const isThere = (end: 'from' | 'to'): boolean => {
      const group = spec[`${end}EndpointGroup`];
      const network = spec[`${end}Network`];
      const subnet = this.#subnets.get(keyOf(metadata, network));
      return (
        (group === undefined || this.#groups.has(keyOf(metadata, group))) &&
        (network === undefined || subnet === spec[`${end}IpAddress`])
      );
    };
    return isThere('from') && isThere('to') ? metadata : { ...metadata, unresolved: true };
  }
}

const keyOf = (metadata: Listed['metadata'], name: unknown): string =>
  JSON.stringify([metadata['tenant'], name]);

/** The block of a subnet as it was typed, which may be a range of it. */
function blockOf(text: unknown): string {
  if (typeof text !== 'string') return '';
  const [, first, length] = /^([^-/]+)(?:-[^/]*)?(\/[0-9]+)$/.exec(text) ?? [];
  return first === undefined || length === undefined
    ? text
    : formatCidr(parseCidr(first + length, { hostBits: 'clear' }));
}
