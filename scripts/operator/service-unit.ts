import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../../runtime/terminal/errors.ts';

/* What `keymill service` writes. Pure. */

export interface ServiceSettings {
  /** The folder of this repository, as the machine with the service sees it. */
  readonly clone: string;
  /** Name or number of the owner of the clone. */
  readonly user: string;
  readonly group: string;
  /** The file with the variables `KEYMILL_…` of the service. */
  readonly settingsFile: string;
  /** For `./scripts/up`. */
  readonly options: readonly string[];
}

/** By this line a unit is known as ours. */
const MARK = '# Written by keymill service install. To change it, run that again with other options.';

/**
 * The systemd unit. A part that ends is started again by `scripts/service`; what systemd starts again is the
 * whole, when that has given up, and at most ten times in half an hour.
 * @throws UsageError when a path cannot stand in a unit
 */
export function formatUnit({ clone, user, group, settingsFile, options }: ServiceSettings): string {
  const script = (name: string): string => `/bin/sh ${quoteArgument(join(clone, 'scripts', name))}`;
  return `${MARK}
[Unit]
Description=Keymill, the link shortener in ${escapeSpecifiers(checked(clone))}
Documentation=${quote(pathToFileURL(join(clone, 'docs/operations.md')).href)}
Wants=network-online.target
After=network-online.target
RequiresMountsFor=${quote(clone)}
StartLimitIntervalSec=30min
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=all
User=${user}
Group=${group}
EnvironmentFile=-${escapeSpecifiers(checked(settingsFile))}
ExecStart=${[script('service'), ...options.map(quoteArgument)].join(' ')}
ExecStop=${script('down')}
Restart=on-failure
RestartSec=5s
# One part that the kernel kills for its memory is started again. The others go on.
OOMPolicy=continue
# The first start may install npm modules.
TimeoutStartSec=15min
# MariaDB may take a minute to write its changed pages.
TimeoutStopSec=3min
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`;
}

/** Whether `keymill service install` has written this unit. */
export function isOurUnit(text: string): boolean {
  return text.startsWith(`${MARK}\n`);
}

/** The folder of the repository whose cluster a unit of ours runs, as it stands in the unit. */
export function cloneLineOf(text: string): string | undefined {
  return /^RequiresMountsFor=.*$/m.exec(text)?.[0];
}

/** The options for `./scripts/up` as they stand in the unit. */
export function optionsOf(text: string): string {
  return /^ExecStart=\/bin\/sh "(?:[^"\\]|\\.)*"(.*)$/m.exec(text)?.[1]?.trim() ?? '';
}

/**
 * The file with the settings of the service, which is the operator's from then on.
 * @param variables those of the shell in which the service is installed
 * @throws UsageError when a value has a line break
 */
export function formatSettings(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => {
    if (/\p{Cc}/u.test(value)) throw new UsageError(`${name}: a setting of the service has no line breaks`);
    return `${name}="${value.replaceAll(/["\\$`]/g, '\\$&')}"\n`;
  });
  return (
    '# The settings of the Keymill service, as in docs/configuration.md: KEYMILL_PUBLIC_URL=https://go.example\n' +
    `# Read at its start: systemctl restart …\n${lines.join('')}`
  );
}

/** A word of a command line in a unit. */
function quoteArgument(text: string): string {
  return quote(text).replaceAll('$', '$$$$');
}

function quote(text: string): string {
  return `"${escapeSpecifiers(checked(text)).replaceAll(/["\\]/g, '\\$&')}"`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}

/** Some settings of a unit know no quotation marks. */
function checked(text: string): string {
  if (/[\p{Cc}\\]|^\s|\s$/u.test(text))
    throw new UsageError(
      `${JSON.stringify(text)} cannot stand in a systemd unit: move the folder to a path without line breaks and backslashes`,
    );
  return text;
}
