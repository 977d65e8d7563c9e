# ruff: noqa: RUF001
"""Words that say nothing about what a text is about: articles, pronouns, auxiliaries, prepositions and question words."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# English is longer than the usual thirty-odd words on purpose: questions are mostly made of these, and scoring them
# cost a third of the lexical leg's nDCG on documentation questions (docs/benchmarks.md).
STOP_WORDS: dict[str, frozenset[str]] = {
    "en": _words(
        """
        a an the this that these those such same other others another each every either neither both all any some many much
        more most few fewer less least several own
        i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
        herself it its itself they them their theirs themselves one ones someone somebody something anyone anybody anything
        everyone everybody everything nobody nothing none
        who whom whose which what when where why how whatever whichever whoever whenever wherever however whether
        am is are was were be been being isn't aren't wasn't weren't ain't
        have has had having haven't hasn't hadn't
        do does did doing done don't doesn't didn't
        can could cannot can't couldn't may might mayn't mightn't must mustn't shall should shan't shouldn't will would won't
        wouldn't ought need needn't needs want wants let lets let's
        i'm i've i'd i'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'd it'll we're we've we'd we'll
        they're they've they'd they'll that's that'd that'll there's there'd there'll here's what's what're what'll who's
        who'd who'll where's when's why's how's how'd
        and or but nor so yet if then else than because as while since until till unless although though despite
        of at by for with without about against between into through during before after above below to from up down in
        out on off over under upon within onto via per toward towards across along among around behind beside besides
        beyond near
        no not only just also too very quite rather really even still already again once ever never always often sometimes
        here there now thus hence therefore
        etc eg ie e.g i.e e.g. i.e. vs yes ok okay please
        dont doesnt didnt cant couldnt wont wouldnt shouldnt isnt arent wasnt werent hasnt havent hadnt im ive whats hows
        """
    ),
    "de": _words(
        """
        der die das den dem des ein eine einer eines einem einen kein keine keiner keines keinem keinen dieser diese dieses
        diesem diesen jener jene jenes jenem jenen jeder jede jedes jedem jeden alle aller alles allem allen manche mancher
        manches solche solcher welche welcher welches welchem welchen
        ich mich mir mein meine meiner meinem meinen meines du dich dir dein deine deiner deinem deinen er ihn ihm sein seine
        seiner seinem seinen seines sie ihr ihre ihrer ihrem ihren ihnen es wir uns unser unsere unserer unserem unseren euch
        euer eure man sich selbst
        wer wen wem wessen was wann wo woher wohin warum weshalb wieso wie wieviel womit wofür worauf
        bin bist ist sind seid war warst waren wart gewesen habe hast hat haben habt hatte hatten gehabt werde wirst wird
        werden werdet wurde wurden worden geworden
        kann kannst können könnt konnte konnten könnte könnten muss musst müssen müsst musste mussten darf dürfen soll sollen
        sollte sollten will wollen wollte wollten mag mögen möchte möchten lassen lässt tun tut
        und oder aber sondern denn doch wenn weil dass ob als damit obwohl während bevor nachdem bis falls sowie sowohl weder
        noch
        in im an am auf aus bei beim mit nach seit von vom zu zum zur durch für gegen ohne um unter über vor hinter neben
        zwischen ab
        nicht nur auch sehr so da dort hier nun dann schon noch immer nie wieder mal eben ja nein bitte etwas nichts mehr viel
        viele wenig
        """
    ),
    "es": _words(
        """
        el la los las lo un una unos unas este esta estos estas esto ese esa esos esas eso aquel aquella aquellos aquellas
        aquello cada todo toda todos todas otro otra otros otras mismo misma mucho mucha muchos muchas poco más menos algún
        alguna algunos algunas ningún ninguna algo nada alguien nadie
        yo me mi mis mí tú te tu tus ti él ella ellos ellas se su sus sí nos nosotros nosotras nuestro nuestra nuestros
        nuestras os vosotros vuestro vuestra usted ustedes le les
        qué que quién quien quiénes quienes cuál cual cuáles cuales cuándo cuando dónde donde adónde cómo como cuánto cuánta
        cuántos cuántas cuanto por porqué
        soy eres es somos sois son era eran fue fueron ser sido siendo sea sean estoy estás está estamos están estaba estaban
        estar he has ha hemos han había habían haber hay hacer hace hago
        puedo puedes puede podemos pueden podría podrían poder debo debe deben debería tengo tiene tienen tener quiero quiere
        y e o u ni pero sino si porque pues aunque mientras hasta desde
        de del a al en con sin para por sobre entre contra durante ante bajo según tras
        no sí también tampoco muy ya aún todavía siempre nunca solo sólo aquí ahí allí ahora entonces así luego
        """
    ),
    "fr": _words(
        """
        le la les l un une des du de d ce cet cette ces cela ceci ça c chaque tout toute tous toutes autre autres même mêmes
        quelque quelques plusieurs aucun aucune tel telle plus moins peu beaucoup rien quelqu
        je j me m moi mon ma mes tu te t toi ton ta tes il elle on se s soi son sa ses nous notre nos vous votre vos ils elles
        leur leurs lui eux y en
        qui que qu quoi quel quelle quels quelles quand où comment pourquoi combien lequel laquelle lesquels lesquelles dont
        est es suis sommes êtes sont était étaient été être sera seront soit ai as a avons avez ont avait avaient avoir aura
        fait faire fais faut
        peux peut pouvons pouvez peuvent pourrait pouvoir dois doit devons devez doivent devrait devoir veux veut voulez
        et ou mais donc or ni car si comme lorsque puisque quoique parce afin
        à au aux dans par pour sur sous avec sans entre vers chez depuis pendant avant après contre
        ne n pas non oui aussi très déjà encore toujours jamais ici là alors ainsi puis seulement
        """
    ),
    "it": _words(
        """
        il lo la i gli le l un uno una questo questa questi queste quello quella quelli quelle quel quei ciò ogni tutto tutta
        tutti tutte altro altra altri altre stesso stessa molto molta molti molte poco più meno alcuni alcune nessun nessuno
        nessuna qualcosa niente nulla qualcuno
        io me mi mio mia miei mie tu te ti tuo tua tuoi tue lui lei esso essa egli ella si sé suo sua suoi sue noi ci nostro
        nostra nostri nostre voi vi vostro vostra vostri vostre essi esse loro ne
        chi che cosa cui quale quali quando dove come perché quanto quanta quanti quante
        sono sei è siamo siete era erano essere stato stata stati state sia siano ho hai ha abbiamo avete hanno aveva avevano
        avere fare fa faccio
        posso puoi può possiamo potete possono potrebbe potere devo deve dobbiamo devono dovrebbe dovere voglio vuole
        e ed o oppure ma però né se mentre anche benché affinché quindi dunque
        di del dello della dei degli delle d a ad al allo alla ai agli alle da dal dallo dalla dai dagli dalle in nel nello
        nella nei negli nelle con su sul sullo sulla sui sugli sulle per tra fra senza sotto sopra dopo prima verso
        non no sì già ancora sempre mai qui qua lì là ora allora così poi solo
        """
    ),
    "pt": _words(
        """
        o a os as um uma uns umas este esta estes estas isto esse essa esses essas isso aquele aquela aqueles aquelas aquilo
        cada todo toda todos todas tudo outro outra outros outras mesmo mesma muito muita muitos muitas pouco mais menos algum
        alguma alguns algumas nenhum nenhuma algo nada alguém ninguém
        eu me mim meu minha meus minhas tu te ti teu tua ele ela eles elas se si seu sua seus suas nós nos nosso nossa nossos
        nossas vós vos você vocês lhe lhes dele dela deles delas
        que quê quem qual quais quando onde aonde como porque porquê por quanto quanta quantos quantas
        sou és é somos são era eram foi foram ser sido sendo seja sejam estou está estamos estão estava estavam estar tenho tem
        temos têm tinha tinham ter há havia haver fazer faz faço
        posso pode podemos podem poderia poder devo deve devem deveria dever quero quer
        e ou mas nem se pois porém embora enquanto até desde
        de do da dos das em no na nos nas num numa ao à aos às com sem para pelo pela pelos pelas sobre entre contra durante sob
        não sim também muito já ainda sempre nunca só aqui aí ali lá agora então assim depois antes
        """
    ),
    "nl": _words(
        """
        de het een dit dat deze die elk elke ieder iedere alle alles ander andere anderen zelfde veel meer minder weinig enkele
        sommige geen iets niets iemand niemand
        ik me mij mijn je jij jou jouw u uw hij hem zijn zij ze haar we wij ons onze jullie hun hen zich zelf men er
        wie wat welke welk wanneer waar waarom hoe hoeveel waarmee waarvoor
        ben bent is was waren geweest heb hebt heeft hebben had hadden gehad word wordt worden werd werden geworden doe doet doen
        kan kunt kunnen kon konden moet moeten moest mag mogen zal zult zullen zou zouden wil wilt willen
        en of maar want dus noch als dan omdat hoewel terwijl zodat tot totdat voordat nadat indien
        in op aan van voor met bij naar uit te ten ter door over om onder tussen tegen zonder na sinds binnen buiten
        niet ook nog al zeer heel wel nu hier daar toch altijd nooit weer alleen zo
        """
    ),
    "sv": _words(
        """
        en ett den det de denna detta dessa någon något några ingen inget inga varje alla allt annan annat andra samma mycket
        många mer mindre jag mig min mitt mina du dig din ditt dina han honom hans hon henne hennes vi oss vår vårt våra ni er ert
        era dem deras sig sin sitt sina man vem vad vilken vilket vilka när var varför hur är var varit vara har hade ha blir
        blev bli gör göra kan kunde måste ska skall skulle vill ville får och eller men om att som för så då än i på av till från
        med utan vid under över mellan efter före genom mot inte också bara här där nu redan alltid aldrig
        """
    ),
    "da": _words(
        """
        en et den det de denne dette disse nogen noget nogle ingen intet hver alle alt anden andet andre samme meget mange mere
        mindre jeg mig min mit mine du dig din dit dine han ham hans hun hende hendes vi os vores i jer jeres dem deres sig sin
        sit sine man hvem hvad hvilken hvilket hvilke hvornår hvor hvorfor hvordan er var været være har havde have bliver blev
        blive gør gøre kan kunne må skal skulle vil ville og eller men om at som for så da end på af til fra med uden ved under
        over mellem efter før gennem mod ikke også kun her der nu allerede altid aldrig
        """
    ),
    "no": _words(
        """
        en ei et den det de denne dette disse noen noe ingen hver alle alt annen annet andre samme mye mange mer mindre jeg meg
        min mitt mine du deg din ditt dine han ham hans hun henne hennes vi oss vår vårt våre dere deres dem seg sin sitt sine man
        hvem hva hvilken hvilket hvilke når hvor hvorfor hvordan er var vært være har hadde ha blir ble bli gjør gjøre kan kunne
        må skal skulle vil ville og eller men om at som for så da enn i på av til fra med uten ved under over mellom etter før
        gjennom mot ikke også bare her der nå allerede alltid aldri
        """
    ),
    "fi": _words(
        """
        ja tai mutta jos että kun koska kuin vaikka sekä eli niin myös vain jo vielä aina ei en et emme ette eivät olla olen olet
        on olemme olette ovat oli olivat ollut minä minun minua sinä sinun sinua hän hänen häntä me meidän meitä te teidän teitä
        he heidän heitä se sen sitä ne niiden niitä tämä tämän tätä nämä tuo tuon joka jonka jota jotka mikä minkä mitä mitkä kuka
        kenen ketä missä mistä mihin milloin miksi miten kuinka voi voin voit voivat pitää täytyy kaikki joku jokin mitään
        """
    ),
    "ru": _words(
        """
        и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее её мне было вот от меня еще ещё
        нет о об из ему когда даже ну ли если уже или ни быть был была были него до вас нибудь вам ведь там потом себя ничего ей
        может они тут где есть надо ней для мы тебя их чем сам чтоб чтобы без чего раз тоже себе под будет ж тогда кто этот эта
        это эти того потому этого какой какая какие какое нее неё них при над через после перед между который которая которое
        которые можно нужно могу можете могут почему зачем сколько куда откуда мой моя мои наш наша ваш ваша свой
        """
    ),
    "pl": _words(
        """
        i a o w we z ze na do od po za przez przy pod nad dla bez u ku oraz lub albo ale lecz czy że żeby aby jeśli jeżeli gdy
        kiedy gdzie jak jaki jaka jakie dlaczego ile co kto kogo komu czego czemu który która które których ten ta to te tego tej
        tym tych ja mnie mi mój moja moje ty ciebie ci twój on jego jemu ona jej ono my nas nam nasz wy was wam wasz oni one ich
        im się siebie swój jest są był była było byli być będzie będą mam ma mają mieć może można mogę musi trzeba nie tak też
        także tylko już jeszcze bardzo tu tam teraz
        """
    ),
    "tr": _words(
        """
        ve veya ya ile ama fakat için gibi kadar de da ki mi mı mu mü bu şu o bunlar şunlar onlar ben sen biz siz beni seni bizi
        sizi onu bana sana bize size ona benim senin bizim sizin onun kendi bir her hiç bazı tüm bütün çok az daha en ne nasıl
        neden niçin nerede nereye kim kime hangi kaç var yok değil olan olarak olur evet hayır sadece
        """
    ),
    "ar": _words(
        """
        في من إلى الى على عن مع هذا هذه ذلك تلك هؤلاء الذي التي الذين هو هي هم هن أنا انا نحن أنت انت أنتم ما ماذا من متى أين اين
        كيف لماذا كم هل أي اي أن ان إن لا لم لن ليس غير كان كانت يكون تكون قد كل بعض و أو او ثم بل لكن حتى إذا اذا عند بعد قبل بين
        يمكن يمكنني يجب
        """
    ),
}
