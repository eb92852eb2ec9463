/**
 * The agent's settings in a file, `/etc/fairlead/config.yaml`: one YAML object, its fields named as the flags are.
 * Strict: a field that is no option is refused, so that a misspelt one is not a default in disguise.
 */
import { readFileSync } from 'node:fs';
import { FairleadError } from '../errors.ts';
import { configFileBytesMax } from '../limits.ts';
import { yamlDocuments } from './objects/yaml.ts';
import { readOptions, type OptionRow, type OptionSources } from './option.ts';
import { readPath } from './reading.ts';

/** Where the file is when nobody says. */
export const configFileDefault = '/etc/fairlead/config.yaml';

/** The option that names the file. */
export const configOption: OptionRow<string> = {
  flag: 'config',
  placeholder: 'FILE',
  summary: 'settings in YAML, named as the flags; flags and variables win over it',
  defaultShown: `${configFileDefault}, if it is there`,
  defaultText: configFileDefault,
  read: readPath,
};

/**
 * The sources with what the file says in them. The default file may be missing, one that was named may not.
 * @throws USAGE when it cannot be read, is no YAML object, or has fields that are none of `rows`
 */
export function withConfigFile(
  sources: OptionSources,
  rows: readonly OptionRow<unknown>[],
): OptionSources {
  const { path } = readOptions({ path: configOption }, sources);
  const text = readText(path, path === configFileDefault);
  if (text === undefined) return sources;
  const documents = yamlDocuments(text, path);
  if (documents.length > 1) throw wrong(path, 'has more than one document', 'must be one');
  const [value = {}] = documents;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(path, 'is no list of settings', 'write lines as log-level: debug');
  }
  const flags = new Set(rows.map(({ flag }) => flag).filter((flag) => flag !== 'config'));
  const settings: Record<string, string> = {};
  for (const [name, field] of Object.entries(value)) {
    if (!flags.has(name)) {
      throw wrong(path, `has ${JSON.stringify(name)}`, 'names are those of fairlead agent --help');
    }
    settings[name] = settingText(path, name, field);
  }
  return { ...sources, settings: { path, texts: settings } };
}

/** A setting as it would be typed behind its flag: a list has commas there. */
function settingText(path: string, name: string, field: unknown): string {
  const items: readonly unknown[] = Array.isArray(field) ? field : [field];
  const isPlain = items.every((item) => typeof item === 'string' || typeof item === 'number');
  if (isPlain && items.length > 0) return items.join(',');
  throw wrong(
    path,
    `has no text, number or list of them for ${name}`,
    'leave it out or fill it in',
  );
}

function readText(path: string, isOptional: boolean): string | undefined {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (isOptional && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('USAGE', `${path} cannot be read: ${why}`, {
      fix: 'see --config',
      cause,
    });
  }
  if (bytes.length > configFileBytesMax) {
    throw wrong(path, 'is too large', `must have ${configFileBytesMax} bytes at most`);
  }
  return bytes.toString('utf8');
}

function wrong(path: string, what: string, fix: string): FairleadError {
  return new FairleadError('USAGE', `${path} ${what}`, { fix });
}
