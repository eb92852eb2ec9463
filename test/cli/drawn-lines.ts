/** Command lines that nobody would write, and some that somebody would. For fuzzing. */
import * as fc from 'fast-check';

const known = ['web', 'app', 'p', 'default', '1', '10.1.0.0/24', '10.2.0.0/24', '10.2.0.1'];
const meant = ['vxlan', 'vlan', 'data', 'in', 'out', 'tcp', '80', 'allow', 'a=b', '80:80:TCP'];
const odd = [
  '',
  '-',
  '--',
  '--help',
  '-h',
  '-t',
  '--tenant',
  '=',
  '--=',
  '-1',
  '0',
  '99999999999999999999',
];

/** A word of a line. */
export const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...known, ...meant) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...odd, '__proto__', '../..', '%2e', 'a:b', 'ü'),
  },
  // what is no UTF-8 comes from the system as U+FFFD, so no word has half a character
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 12, unit: 'binary' }).map((text) => text.toWellFormed()),
  },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(100_000), '{"a":1}', '$(id)', 'a\nb') },
);

/** A flag that a line may have. */
export interface DrawnFlag {
  /** With its hyphens. */
  readonly flag: string;
  readonly isSwitch: boolean;
}

/** What a line is drawn from. */
export interface LinePlan {
  readonly flags?: readonly DrawnFlag[];
  /** Most words behind the command. */
  readonly max: number;
  readonly words?: fc.Arbitrary<string>;
}

/** A command with words, flags of its own and whatever else, now and then in the wrong order. */
export function line(
  command: readonly string[],
  { flags = [], max, words: one = word }: LinePlan,
): fc.Arbitrary<readonly string[]> {
  const flagged = ({ flag, isSwitch }: DrawnFlag): fc.Arbitrary<readonly string[]> => {
    if (isSwitch) return fc.constantFrom([flag], [flag], [`${flag}=x`]);
    return fc.oneof(
      one.map((text) => [flag, text]),
      one.map((text) => [`${flag}=${text}`]),
      fc.constant([flag]),
    );
  };
  const given = flags.length === 0 ? fc.constant([]) : fc.constantFrom(...flags).chain(flagged);
  const behind = fc.tuple(fc.array(one, { maxLength: max }), fc.array(given, { maxLength: 5 }));
  const rest = behind.map(([words, options]) => [...words, ...options.flat()]);
  const mixed = rest.chain((all) => fc.shuffledSubarray([...all], { minLength: all.length }));
  return fc
    .oneof({ weight: 4, arbitrary: rest }, { weight: 1, arbitrary: mixed })
    .map((all) => [...command, ...all]);
}

/** The flags of a command of ours, without those that lead to another agent. */
export function flagsOf(
  options: readonly {
    readonly flag: string;
    readonly short?: string;
    readonly placeholder?: string;
  }[],
): readonly DrawnFlag[] {
  return options
    .filter(({ flag }) => flag !== 'run-dir' && flag !== 'api-socket')
    .flatMap(({ flag, short, placeholder }) =>
      [`--${flag}`, ...(short === undefined ? [] : [`-${short}`])].map((each) => ({
        flag: each,
        isSwitch: placeholder === undefined,
      })),
    );
}
