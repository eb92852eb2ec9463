/** Which objects of a kind are meant: conditions on the fields of their documents, all of which must hold. */
import { FairleadError } from '../../errors.ts';
import { selectorConditionsMax } from '../../limits.ts';
import { partName, specFields } from './document.ts';
import type { Config, ObjectKind } from './kind.ts';

/** A condition. */
interface Condition {
  /** The field of the configuration. */
  readonly field: string;
  readonly value: string;
  readonly isEqual: boolean;
}

/** Conditions on objects of a kind. */
export interface Selector {
  readonly conditions: readonly Condition[];
  /** Of a selector that means one tenant's objects only: the tenant. */
  readonly tenant: string | undefined;
}

/** The fields that a selector of a kind may name, each with that of the configuration: key first. */
export const selectorFields = (kind: ObjectKind): ReadonlyMap<string, string> =>
  new Map([
    ...kind.key.map((field) => [partName(kind, field), field] as const),
    ...specFields(kind).map((field) => [field, field] as const),
  ]);

/**
 * Reads `FIELD=VALUE,FIELD!=VALUE`: fields of `metadata` and `spec`, by their names alone. A list is equal to what is
 * in it.
 * @throws REQUEST_INVALID
 */
export function readSelector(kind: ObjectKind, text: string): Selector {
  const parts = text === '' ? [] : text.split(',');
  if (parts.length > selectorConditionsMax) {
    throw wrong(`a selector has at most ${selectorConditionsMax} conditions`);
  }
  const fields = selectorFields(kind);
  const conditions = parts.map((part) => {
    const [, name = '', sign, value = ''] = /^([A-Za-z0-9]+)(!?=)(.*)$/s.exec(part) ?? [];
    const field = fields.get(name);
    if (sign === undefined || field === undefined) {
      throw wrong(
        `selector is FIELD=VALUE,FIELD!=VALUE with fields ${[...fields.keys()].join(', ')}`,
      );
    }
    return { field, value, isEqual: sign === '=' };
  });
  const ofTenant =
    kind.key.length > 1 &&
    conditions.find(({ field, isEqual }) => isEqual && field === kind.key[0]);
  return { conditions, tenant: ofTenant ? ofTenant.value : undefined };
}

/** Whether an object is meant. */
export function isSelected({ conditions }: Selector, config: Config): boolean {
  return conditions.every(({ field, value, isEqual }) => {
    const found = config[field] ?? '';
    const same = typeof found === 'object' ? found.includes(value) : String(found) === value;
    return same === isEqual;
  });
}

const wrong = (message: string): FairleadError => new FairleadError('REQUEST_INVALID', message);
