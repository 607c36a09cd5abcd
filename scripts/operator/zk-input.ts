import { UsageError } from '../../runtime/terminal/errors.ts';

/**
 * The line by which zkCli.sh gets these arguments on its stdin; '' for none. In such a line only quotation
 * marks keep an argument with blanks together, and nothing stands for a quotation mark itself.
 * @throws UsageError at an argument that no line can contain
 */
export function zkCliLine(args: readonly string[]): string {
  return args.map(quoted).join(' ');
}

function quoted(argument: string): string {
  if (/^[^\s"']\S*$/.test(argument)) return argument;
  const mark = ['"', "'"].find((candidate) => !argument.includes(candidate));
  if (mark === undefined || /[\r\n]/.test(argument))
    throw new UsageError(
      'zk: an argument has both kinds of quotation marks, or a line break. zkCli cannot read it together ' +
        'with the credentials of this cluster; without arguments, `keymill zk` reads commands from stdin',
    );
  return `${mark}${argument}${mark}`;
}
