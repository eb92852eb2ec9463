/**
 * Columns as Go's text/tabwriter lays them out: cells end in tabs, and a column is a block of lines that
 * follow each other and all have a cell there. A line without tabs therefore ends every block, and the last
 * cell of a line, which no tab ends, widens nothing.
 */

/** How wide columns are and what fills them; the names are those of Go. */
export interface TabOptions {
  readonly minWidth: number;
  /** Width of a tab, where tabs are what fills. */
  readonly tabWidth: number;
  /** Added to the widest cell of a column. */
  readonly padding: number;
  readonly fill: ' ' | '\t';
}

/** Tables of netctl: two spaces between columns. */
export const tableLayout: TabOptions = { minWidth: 0, tabWidth: 2, padding: 2, fill: ' ' };
/** Help pages of its library: tabs. */
export const helpLayout: TabOptions = { minWidth: 0, tabWidth: 8, padding: 1, fill: '\t' };

type Line = readonly string[];

/** Lays out a text of lines, each with its end. */
export function tabulate(text: string, options: TabOptions): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  return format(lines, [], options)
    .map((line) => line.join(''))
    .join('\n');
}

/** The lines, given the widths of the columns before; the block of the next column is found first. */
function format(lines: readonly Line[], widths: readonly number[], options: TabOptions): Line[] {
  const column = widths.length;
  const hasCell = (line: Line | undefined) => line !== undefined && column < line.length - 1;
  const done: Line[] = [];
  for (let from = 0; from < lines.length;) {
    const inBlock = hasCell(lines[from]);
    let to = from + 1;
    while (to < lines.length && hasCell(lines[to]) === inBlock) to += 1;
    const block = lines.slice(from, to);
    if (inBlock) {
      const cells = block.map((line) => characters(line[column] ?? '') + options.padding);
      const width = Math.max(options.minWidth, ...cells);
      done.push(...format(block, [...widths, width], options));
    } else {
      done.push(...block.map((line) => padded(line, widths, options)));
    }
    from = to;
  }
  return done;
}

function padded(line: Line, widths: readonly number[], options: TabOptions): Line {
  return line.map((cell, at) => {
    const width = widths[at];
    return width === undefined ? cell : cell + filling(characters(cell), width, options);
  });
}

function filling(length: number, width: number, { fill, tabWidth }: TabOptions): string {
  if (fill === ' ') return ' '.repeat(width - length);
  const whole = Math.ceil(width / tabWidth) * tabWidth;
  return '\t'.repeat(Math.ceil((whole - length) / tabWidth));
}

/** Go counts characters by code point. */
function characters(text: string): number {
  return Array.from(text).length;
}
