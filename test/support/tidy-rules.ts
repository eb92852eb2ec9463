/** The rules of the house that can be checked on one source file. Each answers the lines it objects to. */
import { lineAt, type Source, type SyntaxNode } from './source.ts';

/** Complaints of the form `path:line: what`. */
export type Rule = (source: Source) => readonly string[];

const fileLinesMax = 400;
/** Lists of one kind of thing, which grow with the program and are read by looking things up. */
const lists: ReadonlySet<string> = new Set(['lib/limits.ts']);
const functionLinesMax = 60;

const at = (source: Source, offset: number, what: string) =>
  `${source.path}:${lineAt(source.text, offset)}: ${what}`;

const found = (source: Source, what: string, wanted: (node: SyntaxNode) => boolean) =>
  source.nodes.filter(wanted).map((node) => at(source, node.start, what));

/** Files and functions that fit into a head. */
export const shortEnough: Rule = (source) => {
  const lines = source.text.trimEnd().split('\n').length;
  const long = source.nodes
    .filter(({ type }) =>
      /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(type),
    )
    .map((node) => ({ node, lines: source.text.slice(node.start, node.end).split('\n').length }))
    .filter((each) => each.lines > functionLinesMax);
  return [
    ...(lines > fileLinesMax && !lists.has(source.path) ? [`${source.path}: ${lines} lines`] : []),
    ...long.map((each) => at(source, each.node.start, `function of ${each.lines} lines`)),
  ];
};

/** No output beside the logger and the command line. */
export const noConsole: Rule = (source) =>
  found(source, 'console', ({ type, name }) => type === 'Identifier' && name === 'console');

/** Names that can be searched for. */
export const noDefaultExport: Rule = (source) =>
  found(source, 'default export', ({ type }) => type === 'ExportDefaultDeclaration');

/** Nothing that switches the type checker off. */
export const noTypeHoles: Rule = (source) => [
  ...found(source, 'any', ({ type }) => type === 'TSAnyKeyword'),
  ...found(source, 'non-null assertion', ({ type }) => type === 'TSNonNullExpression'),
  ...source.comments
    .filter(({ value }) => /@ts-(?:ignore|expect-error|nocheck)/.test(value))
    .map(({ start }) => at(source, start, 'comment that silences the type checker')),
];

/** Nothing left for later. */
export const nothingLeftOpen: Rule = (source) =>
  source.comments
    .filter(({ value }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(value))
    .map(({ start }) => at(source, start, 'left open'));

/** The first lines of a file say what it is. */
export const startsWithItsPurpose: Rule = (source) =>
  source.text.startsWith('/**') ? [] : [`${source.path}:1: no comment that says what the file is`];

/**
 * Every export is documented. Declarations without a blank line between them are one group, for which one
 * comment above the first is enough.
 */
export const exportsDocumented: Rule = (source) => {
  const complaints: string[] = [];
  let groupEnd = -1;
  for (const node of source.body) {
    const isDeclaration = node.type === 'ExportNamedDeclaration' && node['declaration'] !== null;
    const above = source.comments.findLast(({ end }) => end <= node.start);
    const between = above === undefined ? 'nothing' : source.text.slice(above.end, node.start);
    const own = above?.type === 'Block' && above.value.startsWith('*') && /^\n?$/.test(between);
    const inGroup = groupEnd >= 0 && source.text.slice(groupEnd, node.start) === '\n';
    if (isDeclaration && !own && !inGroup)
      complaints.push(at(source, node.start, 'no doc comment'));
    groupEnd = own || inGroup ? node.end : -1;
  }
  return complaints;
};

const impureNames = new Set([
  'Date',
  'Bun',
  'Deno',
  'process',
  'performance',
  'crypto',
  'Buffer',
  'globalThis',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'console',
]);

/** A pure room has no clock, no chance, no machine. */
export const pure: Rule = (source) => [
  ...source.imports
    .filter(({ from }) => /^(?:node|bun):/.test(from))
    .map(({ from }) => `${source.path}: imports ${from}`),
  ...source.nodes.flatMap((node, index) => {
    if (node.type === 'MemberExpression') {
      const [object, property] = [node['object'], node['property']] as SyntaxNode[];
      const name = `${String(object?.['name'])}.${String(property?.['name'])}`;
      return name === 'Math.random' ? [at(source, node.start, name)] : [];
    }
    const name = node['name'];
    const isValue = node.type === 'Identifier' && typeof name === 'string' && impureNames.has(name);
    return isValue && isReference(source.nodes, index) ? [at(source, node.start, name)] : [];
  }),
];

/** False for names of properties, as in `x.process` or `{ process: 1 }`. */
function isReference(nodes: readonly SyntaxNode[], index: number): boolean {
  const node = nodes[index];
  return !nodes.some(
    (parent) =>
      (parent['property'] === node && parent['computed'] === false) ||
      (parent['key'] === node && parent['computed'] === false && parent['shorthand'] !== true),
  );
}

/** Tests that all run. */
export const nothingSkipped: Rule = (source) =>
  found(source, 'a test that does not run, or keeps others from it', (node) => {
    if (node.type !== 'MemberExpression') return false;
    const [object, property] = [node['object'], node['property']] as SyntaxNode[];
    return (
      /^(?:test|it|describe)$/.test(String(object?.['name'])) &&
      /^(?:skip|skipIf|runIf|only|todo|fails)$/.test(String(property?.['name']))
    );
  });
