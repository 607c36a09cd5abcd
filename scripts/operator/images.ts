import type { Command } from 'commander';
import { ONE_JSON_DOCUMENT, type Terminal } from '../../runtime/terminal/terminal.ts';
import { listImages } from './images-list.ts';
import { sweepImages } from './images-sweep.ts';
import { verifyImages } from './images-verify.ts';

const IMAGE = '{"key","type","width","height","bytes","sha256","userId","state","createdAt","expiresAt"}';

export function addImagesCommand(program: Command, terminal: Terminal): void {
  const images = program.command('images').description('Looks after the bytes of images.').helpCommand(false);
  images
    .command('list')
    .summary('all images, or those of an owner')
    .description(
      'Lists images with their size and state. Without --owner it reads the links of all urls servers, slot by slot.',
    )
    .addHelpText('after', '\nExit code: 0 all are listed; 2 some urls server did not answer.')
    .option('--owner <email>', 'only those of this account')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"images":[${IMAGE}],"unreachable":[]}`)
    .action(async (options: { owner?: string; json?: true }) => listImages(terminal, options));
  images
    .command('sweep')
    .summary('delete the bytes that no link needs, now')
    .description(
      'Does what a mapper does every six hours: deletes bytes that were stored and never bound to a link, and those of images ' +
        'that were deleted or have expired 30 days ago. It is safe beside mappers.',
    )
    .addHelpText(
      'after',
      '\nNothing goes that is younger than a day and unbound, whose urls server does not\n' +
        'answer, or that may have a link which its urls server has lost.\n' +
        '\nExit code: 0 done; 2 something was left: nobody could say whether it is needed, or\n' +
        'the store refused to delete it, or did not answer.',
    )
    .option('--dry-run', 'only say what would be deleted')
    .option(
      '--json',
      `${ONE_JSON_DOCUMENT}: {"dryRun","looked","swept":{reason:{"blobs","bytes"}},"unknown":{reason:blobs},"refused","refusal","unreachable":[]}`,
    )
    .action(async (options: { dryRun?: true; json?: true }) => sweepImages(terminal, options));
  images
    .command('verify')
    .summary('every image has its bytes, and all bytes have their image')
    .description(
      'Looks for the bytes of every image, and compares their length. Then looks for the link of all bytes that are stored. It ' +
        'only reads, and is safe under live traffic.',
    )
    .addHelpText(
      'after',
      '\nExit code: 0 nothing is missing; 1 bytes or links are missing, or bytes are\n' +
        'wrong; 2 a urls server or the store did not answer.',
    )
    .option('--hash', 'read all bytes, and compare their hashes too')
    .option(
      '--json',
      `${ONE_JSON_DOCUMENT}: {"images","bytes","blobs","blobBytes","waiting","strangers","unknown","faults":[{"what","blob"}],"faultCount","unreachable":[]}`,
    )
    .action(async (options: { hash?: true; json?: true }) => verifyImages(terminal, options));
}
