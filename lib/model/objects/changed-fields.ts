/** In which fields two configurations of a kind say something else. */
import { formatAddress, parseAddress } from '../../ip/ip.ts';
import type { Config, Field, FieldValue, ObjectKind } from './kind.ts';
import { fieldNames } from './read-config.ts';

/** Their names; addresses may be written in several ways. */
export function changedFields(kind: ObjectKind, one: Config, other: Config): readonly string[] {
  return fieldNames(kind).filter((name) => {
    const field = kind.fields[name];
    return field !== undefined && plainText(field, one[name]) !== plainText(field, other[name]);
  });
}

function plainText(field: Field, value: FieldValue | undefined): string {
  const format = field.type === 'text' ? field.format : undefined;
  const isAddress = (format === 'ipv4' || format === 'ipv6') && value !== '';
  return isAddress ? formatAddress(parseAddress(String(value))) : JSON.stringify(value);
}
