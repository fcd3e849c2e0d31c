//! The sentences of answers in Slovak.

/// `{}` stands for a number or a name; of two that fit, the first is said.
pub(super) const SENTENCES: &[(&str, &str)] = &[
    // Titles of problem documents.
    ("The request is not valid", "Požiadavka nie je platná"),
    ("The request can not be read", "Požiadavku nemožno prečítať"),
    ("Not logged in", "Neprihlásený"),
    ("Not allowed", "Nepovolené"),
    ("Not found", "Nenájdené"),
    (
        "This method is not available here",
        "Táto metóda tu nie je dostupná",
    ),
    (
        "No answer in an acceptable format",
        "Odpoveď v prijateľnom formáte nie je dostupná",
    ),
    (
        "The request came too slowly",
        "Požiadavka prichádzala príliš pomaly",
    ),
    ("Changed in the meantime", "Medzičasom zmenené"),
    ("The request is too large", "Požiadavka je príliš veľká"),
    ("The address is too long", "Adresa je príliš dlhá"),
    (
        "The body is of another type than needed",
        "Telo má iný typ, než je potrebné",
    ),
    ("Too many sessions", "Priveľa relácií"),
    ("Locked for the time being", "Dočasne zamknuté"),
    ("The headers are too large", "Hlavičky sú príliš veľké"),
    ("Something went wrong here", "Na serveri nastala chyba"),
    ("Not available at the moment", "Momentálne nedostupné"),
    ("No room on the disk", "Na disku nie je miesto"),
    // Validation: bodies.
    ("is required", "je povinné"),
    ("is already taken", "je už obsadené"),
    (
        "names the unknown device '{}'",
        "uvádza neznáme zariadenie '{}'",
    ),
    (
        "names the unknown user '{}'",
        "uvádza neznámeho používateľa '{}'",
    ),
    ("can not be changed", "nemožno zmeniť"),
    (
        "must be 32 or 40 hex digits",
        "musí mať 32 alebo 40 šestnástkových číslic",
    ),
    ("must be 64 hex digits", "musí mať 64 šestnástkových číslic"),
    ("names the unknown role '{}'", "uvádza neznámu rolu '{}'"),
    (
        "takes the last active administrator with a password away",
        "by odobralo posledného aktívneho správcu s heslom",
    ),
    ("is given more than once", "je uvedené viackrát"),
    ("must be text", "musí byť text"),
    ("must be true or false", "musí byť true alebo false"),
    ("must be a list", "musí byť zoznam"),
    (
        "must be an address that begins with http:// or https:// and names a host",
        "musí byť adresa, ktorá začína http:// alebo https:// a uvádza počítač",
    ),
    (
        "must not hold a user name or password",
        "nesmie obsahovať používateľské meno ani heslo",
    ),
    (
        "must have at most 2048 characters",
        "smie mať najviac 2048 znakov",
    ),
    (
        "must not name a link-local address",
        "nesmie uvádzať adresu miestnej linky",
    ),
    (
        "must be session, user, device, role, apiKey or webhook",
        "musí byť session, user, device, role, apiKey alebo webhook",
    ),
    ("must have at most 256 bytes", "smie mať najviac 256 bajtov"),
    (
        "is one too many: there are {} webhooks already",
        "je navyše: webhookov je už {}",
    ),
    ("must be an object", "musí byť objekt"),
    ("must be a whole number", "musí byť celé číslo"),
    (
        "must be BackOffice, CashRegister, PDA or Tool",
        "musí byť BackOffice, CashRegister, PDA alebo Tool",
    ),
    (
        "differs from the name in the path",
        "sa líši od mena v adrese",
    ),
    (
        "differs from the id in the path",
        "sa líši od identifikátora v adrese",
    ),
    ("must not be empty", "nesmie byť prázdne"),
    (
        "must have at most {} characters",
        "smie mať najviac {} znakov",
    ),
    (
        "must have at least {} characters",
        "najmenší počet znakov je {}",
    ),
    ("must have at most {} bytes", "smie mať najviac {} bajtov"),
    (
        "must not contain control characters, direction marks or '/'",
        "nesmie obsahovať riadiace znaky, značky smeru ani '/'",
    ),
    (
        "must not start or end with a space",
        "nesmie začínať ani končiť medzerou",
    ),
    ("must not be '.' or '..'", "nesmie byť '.' ani '..'"),
    (
        "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
        "musí mať 1 až 64 znakov z A-Z a-z 0-9 . _ -",
    ),
    (
        "must hold a letter and a digit",
        "musí obsahovať písmeno a číslicu",
    ),
    (
        "is one of the passwords that are tried first",
        "patrí medzi heslá, ktoré sa skúšajú ako prvé",
    ),
    (
        "is one of the user's last passwords",
        "patrí medzi posledné heslá používateľa",
    ),
    (
        "is made from a name of the user or of a device",
        "je zložené z mena používateľa alebo zariadenia",
    ),
    ("is not the password", "nie je platné heslo"),
    // Validation: queries.
    (
        "is not a member that can be filtered by",
        "nie je položka, podľa ktorej možno filtrovať",
    ),
    ("is not a known parameter", "nie je známy parameter"),
    (
        "must name at least one filter",
        "musí uvádzať aspoň jeden filter",
    ),
    (
        "can not stand here: only filters can",
        "tu nemôže byť: môžu tu byť len filtre",
    ),
    (
        "names '{}', which is not a member that can be sorted by",
        "uvádza '{}', čo nie je položka, podľa ktorej možno triediť",
    ),
    (
        "has a sort direction other than 'asc' and 'desc'",
        "má iný smer triedenia než 'asc' a 'desc'",
    ),
    (
        "asks for one key both ascending and descending",
        "žiada jeden kľúč vzostupne aj zostupne",
    ),
    (
        "is not valid percent-encoding",
        "nie je platné percentové kódovanie",
    ),
    ("is not valid UTF-8", "nie je platné UTF-8"),
    ("must be given only once", "smie byť uvedené iba raz"),
    (
        "must be a whole number, 0 or greater",
        "musí byť celé číslo, 0 alebo väčšie",
    ),
    ("must be 'true' or 'false'", "musí byť 'true' alebo 'false'"),
    ("must be a time such as {}", "musí byť čas, napríklad {}"),
    ("has a quote that is not closed", "má neuzavretú úvodzovku"),
    (
        "has text behind a closing quote",
        "má text za uzatváracou úvodzovkou",
    ),
    (
        "has an operator with a wrong number of arguments",
        "má operátor s nesprávnym počtom argumentov",
    ),
    (
        "has an operator that does not fit the kind of its values",
        "má operátor, ktorý sa nehodí k druhu hodnôt",
    ),
    (
        "has an operator whose argument must not be empty",
        "má operátor, ktorého argument nesmie byť prázdny",
    ),
    (
        "goes beyond the number of operations a query may have",
        "prekračuje počet operácií, ktoré dopyt smie mať",
    ),
    (
        "lists more values than an operation may have",
        "uvádza viac hodnôt, než operácia smie mať",
    ),
    (
        "must be empty: there is nothing to include",
        "musí byť prázdne: nie je čo pripojiť",
    ),
    (
        "is not a cursor of this server",
        "nie je kurzor tohto servera",
    ),
    (
        "belongs to another filter or sort",
        "patrí k inému filtru alebo triedeniu",
    ),
    ("can not stand beside $skip", "nesmie stáť vedľa $skip"),
    // Details of problem documents.
    (
        "Too many attempts have failed. Try again after the seconds named in Retry-After.",
        "Priveľa neúspešných pokusov. Skúste znova po uplynutí sekúnd uvedených v Retry-After.",
    ),
    (
        "Try again after the seconds named in Retry-After.",
        "Skúste znova po uplynutí sekúnd uvedených v Retry-After.",
    ),
    (
        "Logins are refused until there is room; sessions go on and can be ended.",
        "Prihlásenia sa odmietajú, kým nebude miesto; relácie pokračujú a možno ich ukončiť.",
    ),
    (
        "The signature's time is too far from the server's, which is {}.",
        "Čas podpisu je príliš vzdialený od času servera, ktorý je {}.",
    ),
    (
        "This needs an API key with the right sessionCreate.",
        "Vyžaduje to kľúč API s právom sessionCreate.",
    ),
    (
        "This needs the right {} or {}.",
        "Vyžaduje to právo {} alebo {}.",
    ),
    ("This needs the right {}.", "Vyžaduje to právo {}."),
    (
        "The right '{}' is needed here.",
        "Je tu potrebné právo '{}'.",
    ),
    (
        "A right that is needed here is missing.",
        "Chýba právo, ktoré je tu potrebné.",
    ),
    (
        "The password must be changed first: PUT /api/auth/password.",
        "Najprv treba zmeniť heslo: PUT /api/auth/password.",
    ),
    (
        "Only the own password is changed here.",
        "Tu sa mení len vlastné heslo.",
    ),
    (
        "The caller is no longer active here.",
        "Volajúci tu už nie je aktívny.",
    ),
    (
        "The caller lacks rights of user '{}' on '{}': {}.",
        "Volajúci nemá práva používateľa '{}' na '{}': {}.",
    ),
    (
        "The caller lacks rights of user '{}': {}.",
        "Volajúci nemá práva používateľa '{}': {}.",
    ),
    (
        "The caller lacks rights of role '{}': {}.",
        "Volajúci nemá práva roly '{}': {}.",
    ),
    (
        "The caller lacks rights of API key '{}': {}.",
        "Volajúci nemá práva kľúča API '{}': {}.",
    ),
    (
        "The person has rights that the key lacks, or admin.",
        "Osoba má práva, ktoré kľúč nemá, alebo právo admin.",
    ),
    (
        "There are {} keys whose tokens have not ended; wait for them, or revoke a key.",
        "Kľúčov, ktorých tokeny ešte platia, je už {}; počkajte na ne alebo niektorý kľúč zneplatnite.",
    ),
    (
        "This server makes no backups; the option backup.directory says where.",
        "Tento server nerobí zálohy; miesto určuje voľba backup.directory.",
    ),
    (
        "Metrics are for this machine only; the option metrics.token_file lets others in with a token.",
        "Metriky sú len pre tento počítač; voľba metrics.token_file pustí s tokenom aj iné.",
    ),
    (
        "Tokens belong into the Authorization header; only the upgrade of the hub takes an access_token.",
        "Tokeny patria do hlavičky Authorization; access_token berie len prechod na hub.",
    ),
    (
        "Authorization and access_token are both given; send one of them.",
        "Sú uvedené Authorization aj access_token; pošlite jedno z nich.",
    ),
    (
        "This address answers upgrades to a WebSocket (RFC 6455, version 13) over HTTP/1.1 only.",
        "Táto adresa odpovedá len na prechod na WebSocket (RFC 6455, verzia 13) cez HTTP/1.1.",
    ),
    (
        "The hub is for pages of this server and for programs: the Origin is not the Host of the request.",
        "Hub je pre stránky tohto servera a pre programy: Origin sa nezhoduje s Host požiadavky.",
    ),
    (
        "Requests with this cookie are taken for the hosts of http.allowed_hosts only: use the address of this server, or add the name to that option.",
        "Požiadavky s týmto súborom cookie sa berú len pre počítače z http.allowed_hosts: použite adresu tohto servera alebo pridajte meno do tejto voľby.",
    ),
    (
        "A request with this cookie that changes something must come from this server's own page (Sec-Fetch-Site: same-origin, or a matching Origin).",
        "Požiadavka s týmto súborom cookie, ktorá niečo mení, musí prísť z vlastnej stránky tohto servera (Sec-Fetch-Site: same-origin alebo zhodný Origin).",
    ),
    (
        "A request with this cookie that changes something needs Content-Type: application/json.",
        "Požiadavka s týmto súborom cookie, ktorá niečo mení, potrebuje Content-Type: application/json.",
    ),
    (
        "A list of entity tags is too long.",
        "Zoznam značiek entít je príliš dlhý.",
    ),
    ("The body is no form.", "Telo nie je formulár."),
    (
        "The body breaks off or is not well chunked.",
        "Telo je prerušené alebo nesprávne rozdelené na časti.",
    ),
    (
        "The body is empty; a JSON object is needed.",
        "Telo je prázdne; potrebný je objekt JSON.",
    ),
    ("The body is not UTF-8.", "Telo nie je v UTF-8."),
    (
        "The body is not JSON, or nested too deeply.",
        "Telo nie je JSON alebo je príliš hlboko vnorené.",
    ),
    (
        "The body must be a JSON object.",
        "Telo musí byť objekt JSON.",
    ),
    (
        "A query parameter of a signed request has a second '='.",
        "Parameter dopytu podpísanej požiadavky má druhé '='.",
    ),
    (
        "Chunk-signed bodies are not supported.",
        "Telá podpísané po častiach nie sú podporované.",
    ),
    (
        "Exactly one Host header is needed.",
        "Potrebná je práve jedna hlavička Host.",
    ),
    ("The address has no path.", "Adresa nemá cestu."),
];
