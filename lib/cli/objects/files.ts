/** Files of documents: what is in them, and the documents as the API takes them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { asFairleadError, FairleadError } from '../../errors.ts';
import { apiDocumentsBytesMax, apiDocumentsMax } from '../../limits.ts';
import {
  documentVersion,
  partName,
  readDocument,
  type ReadDocument,
} from '../../model/objects/document.ts';
import { yamlDocuments } from './yaml.ts';

/** A document as it is sent. */
export interface SentDocument {
  readonly apiVersion: typeof documentVersion;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

const endings: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json']);

/**
 * All documents of files, of the files in directories (`.yaml`, `.yml` and `.json`, by name), and of standard input
 * (`-`), in their order. `tenant` is for those that say none.
 * @throws USAGE when there is none or one cannot be read, REQUEST_INVALID and OBJECT_INVALID for what is no document
 */
export function readDocuments(paths: readonly string[], tenant: string): readonly SentDocument[] {
  const files = paths.flatMap((path) => (path === '-' ? ['-'] : filesAt(path)));
  let bytes = 0;
  const documents = files.flatMap((file) => {
    const text = textOf(file);
    bytes += Buffer.byteLength(text);
    if (bytes > apiDocumentsBytesMax) {
      throw usage(`${file}: more than ${apiDocumentsBytesMax} bytes in all files`);
    }
    const place = file === '-' ? 'standard input' : file;
    const found = yamlDocuments(text, place).flatMap((value) =>
      Array.isArray(value) ? (value as readonly unknown[]) : [value],
    );
    return found.map((value, at) => readAt(`${place} document ${at + 1}`, value, tenant));
  });
  if (documents.length === 0) throw usage('there are no documents');
  if (documents.length <= apiDocumentsMax) return documents;
  throw usage(`${documents.length} documents, at most ${apiDocumentsMax} at once`);
}

function readAt(place: string, value: unknown, tenant: string): SentDocument {
  try {
    return sent(readDocument(value, { tenant }));
  } catch (thrown) {
    const { code, message } = asFairleadError(thrown);
    throw new FairleadError(code, `${place}: ${message}`, {
      cause: thrown,
      fix: 'correct the file',
    });
  }
}

function sent({ kind, name, spec, revision, unresolved }: ReadDocument): SentDocument {
  const parts = kind.key.map((field, at) => [partName(kind, field), name.parts[at] ?? ''] as const);
  return {
    apiVersion: documentVersion,
    kind: kind.name,
    metadata: {
      ...Object.fromEntries(parts),
      ...(revision === undefined ? {} : { revision }),
      ...(unresolved === undefined ? {} : { unresolved }),
    },
    spec,
  };
}

function filesAt(path: string): readonly string[] {
  const stats = look(path, () => statSync(path));
  if (!stats.isDirectory()) return [path];
  const names = look(path, () => readdirSync(path)).filter((name) => endings.has(extname(name)));
  if (names.length === 0) throw usage(`${path} has no .yaml, .yml or .json file`);
  return names.toSorted().map((name) => join(path, name));
}

function textOf(file: string): string {
  const bytes = look(file, () => readFileSync(file === '-' ? 0 : file));
  if (bytes.length > apiDocumentsBytesMax) throw usage(`${file} is too large`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FairleadError('USAGE', `${file} is not UTF-8`, { cause, fix: 'correct the file' });
  }
}

function look<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('USAGE', `cannot read ${path}: ${why}`, { cause, fix: 'check -f' });
  }
}

const usage = (message: string): FairleadError =>
  new FairleadError('USAGE', message, { fix: 'check -f' });
