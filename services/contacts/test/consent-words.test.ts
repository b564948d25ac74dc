import { expect, test } from 'vitest'
import { readConsentWord } from '../src/consents/consent-words.ts'

test.each([
  'STOP',
  ' stop ',
  'Stop!',
  'Unsubscribe.',
  'opt-out',
  'Arrêt',
  'ARRET',
  'Darme de baja',
  'SAIR',
  'Abmelden',
  'стоп',
  '退订',
  'הסר',
  'Stop promotions',
])('"%s" means stop', (text) => expect(readConsentWord(text)).toBe('opt_out'))

test.each([
  'Désabonner',
  'arrèt',
  'cancelar inscricao',
  'cancelar inscriçao',
  'REZYGNUJE',
  'İPTAL',
  'abonelikten çık',
  'ABONELIKTEN CIK',
  'Hủy',
  'HUỶ',
  'hủy đăng ký',
  'ايقاف',
  'إِيقَاف',
  'توقـــف',
  'הָסֵר',
  'रोकें',
  'बन्द करें',
  'STOP ❤️',
  'stop​',
])('"%s" means stop, whatever its accents', (text) => expect(readConsentWord(text)).toBe('opt_out'))

test.each([
  ['रुको', 'wait'],
  ['बाद करे', 'later'],
  ['रोक', 'hold'],
  ['Huy', 'a name'],
  ['Húy', 'a name'],
  ['rét', 'cold'],
  ['stóp', 'of feet'],
  ['bašta', 'a garden'],
  ['altă', 'another one'],
  ['أبدا', 'never'],
  ['ابدا', 'never'],
  ['đang ký', 'signing'],
])('"%s" (%s) is another word', (text) => expect(readConsentWord(text)).toBeUndefined())

test.each([
  'please stop',
  'Stop. Thank you',
  'STOP, please!',
  'Please unsubscribe, thanks',
  'Stopp bitte',
  'Bitte abmelden. Danke!',
  'baja por favor',
  'Stop, s’il vous plaît',
  'Parar, obrigada',
  'стоп, пожалуйста',
  'הסר בבקשה',
])('"%s" means stop: courtesy changes nothing', (text) =>
  expect(readConsentWord(text)).toBe('opt_out'),
)

test.each([
  'stop by tomorrow please',
  'please stop by',
  'Stop sending the red ones, thanks',
  'please please stop asking',
  'stop thanks stop',
  'thanks',
  'please',
  'thank you please',
  'please cancel',
  'Cancelar, por favor',
  'start please',
  'Please subscribe',
  'stop thanking me',
])('"%s" says nothing about consent, though it holds such a word', (text) =>
  expect(readConsentWord(text)).toBeUndefined(),
)

test.each([
  'START',
  'unstop',
  'Subscribe',
  'alta',
  "S'abonner",
  'Réabonner',
  'reabonner',
  'đăng ký',
  'ابدأ',
])('"%s" takes a stop back', (text) => expect(readConsentWord(text)).toBe('opt_in'))

test.each([
  'please stop by tomorrow',
  "don't stop",
  'yes',
  'no',
  '',
  'the end of the road',
  'I want to cancel my order',
])('"%s" says nothing about consent', (text) => expect(readConsentWord(text)).toBeUndefined())
