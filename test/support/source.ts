/** TypeScript files as data, for the tests that keep the house tidy. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'rolldown/utils';

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [property: string]: unknown;
}

/** A comment; `value` is without its marks. */
export interface Comment {
  readonly type: 'Line' | 'Block';
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

/** One file, parsed. */
export interface Source {
  /** Below the root of the project. */
  readonly path: string;
  readonly text: string;
  readonly body: readonly SyntaxNode[];
  /** Every node, parents before children. */
  readonly nodes: readonly SyntaxNode[];
  readonly comments: readonly Comment[];
  /** What the file imports from where. */
  readonly imports: readonly Import[];
}

/** `import { names } from 'from'`, also `export … from` and `import()`. */
export interface Import {
  readonly from: string;
  readonly names: readonly string[];
}

/** Parses a text as the file of that path. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const body = (program as unknown as SyntaxNode)['body'] as readonly SyntaxNode[];
  const nodes: SyntaxNode[] = [];
  collect(body, nodes);
  return { path, text, body, nodes, comments, imports: nodes.flatMap(importOf) };
}

/** Line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Files of the project below a folder (or all), without what is installed, built or git's. */
export function listFiles(root: string, folder = ''): string[] {
  const skipped = new Set(['node_modules', 'dist', '.git']);
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return listFiles(root, path);
      return entry.isFile() ? [path] : [];
    })
    .toSorted((one, other) => (one < other ? -1 : 1));
}

/** Parses the TypeScript files among these. */
export function parseFiles(root: string, paths: readonly string[]): readonly Source[] {
  return paths
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

function collect(value: unknown, into: SyntaxNode[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, into);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (typeof (value as SyntaxNode).type === 'string') into.push(value as SyntaxNode);
  for (const child of Object.values(value)) collect(child, into);
}

function importOf(node: SyntaxNode): readonly Import[] {
  const source = node['source'] as SyntaxNode | null | undefined;
  const from = source?.['value'];
  if (typeof from !== 'string') return [];
  const specifiers = (node['specifiers'] ?? []) as readonly SyntaxNode[];
  const names = specifiers.flatMap((specifier) => {
    const imported = specifier['imported'] as SyntaxNode | undefined;
    return typeof imported?.['name'] === 'string' ? [imported['name']] : [];
  });
  return [{ from, names }];
}
