/**
 * The messages by which a process learns that all processes have heard a change. Pure.
 *
 * Versions of the protocol:
 *
 * 1. Release 0.1.0, and everybody who publishes by hand: a key on `keymill:invalidate`. No answer.
 * 2. From then on the announcer sends two messages to each shard, on one connection: the key as in version 1,
 *    then a question on `keymill:hear`. Redis delivers both in this order to a connection that is subscribed
 *    to both channels, so a process that received the question has received the key. It answers on
 *    `keymill:heard:<announcer>`, on the shard on which it heard. PUBLISH of the question returns the number
 *    of processes that will answer: those of version 1 are not subscribed to it.
 *
 * Fields after the known ones are ignored, so a later version may add some. One that changes their meaning
 * needs channels of its own.
 */

/** Who asks, and the number of the question: it counts up in each process. */
export interface Question {
  readonly announcer: string;
  readonly number: number;
}

/** Random bytes in the id of a process: two of a million processes have the same once in 500 times. */
export const PROCESS_ID_BYTES = 6;

const QUESTION = /^([\w-]{1,32}) (\d{1,15})(?: |$)/;
const NUMBER = /^\d{1,15}$/;

export function formatQuestion({ announcer, number }: Question): string {
  return `${announcer} ${number}`;
}

/** undefined: not a question that a process of ours asks. */
export function parseQuestion(message: string): Question | undefined {
  const [, announcer, number] = QUESTION.exec(message) ?? [];
  return announcer === undefined ? undefined : { announcer, number: Number(number) };
}

/** The questions of one announcer that were received within one turn of the event loop. */
export function formatAcknowledgement(numbers: readonly number[]): string {
  return numbers.join(' ');
}

/** The numbers of the questions; anything else in the message is left out. */
export function parseAcknowledgement(message: string): number[] {
  return message
    .split(' ')
    .filter((text) => NUMBER.test(text))
    .map(Number);
}
