/*-------------------------------------------------------------------------
 *
 * suspect_words.h
 *	  What orders to a model are made of: for suspect.c alone.
 *
 * All are folded as suspect.c folds a sentence: lower case, plain width, single
 * spaces, a space at each end.  Stems, where a language bends its words.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_SUSPECT_WORDS_H
#define QC_PROMPT_SUSPECT_WORDS_H

/* Put aside ... */
static const char *const verbs[] = {
	"ignore ", "ignoring ", "disregard", "forget ", "override", "overrule", "do not follow", "don't follow",
	"not use any other", "忽略", "无视", "無視", "忘记", "忘掉", "忘記", "不要理会", "不要遵", "覆盖", "ignorier", "vergiss", "missachte",
	"ignorez ", "oublie", "ignora ", "ignoren ", "olvida", "esqueça", "dimentica", "игнорир", "забудь", "не обращай", "무시",
	"잊어", "忘れ", "تجاهل", "انس ", "yok say", "görmezden", "unut", "zignoruj", "zapomnij", "negeer", "vergeet", "अनदेखा", "भूल", "bỏ qua",
	"quên "
};

/* ... what the model was told. */
static const char *const objects[] = {
	"instruction", "the above", "previous rule", "previous text", "previous prompt", "before this", "your rules", "the rules", "your prompt", "system",
	"other category", "other label", "指令", "指示", "提示", "以上", "上述", "之前的", "前面的", "规则", "規則", "要求", "anweisung", "regeln", "bisherig",
	"consignes", "ci-dessus", "précédent", "anteriores", "lo anterior", "instrucci", "instruç", "istruzion", "precedent",
	"инструкц", "правила", "предыдущ", "указани", "지시", "규칙", "これまで", "ルール", "التعليمات", "السابقة", "talimat",
	"instrukcj", "polece", "instructies", "regels", "निर्देश", "hướng dẫn"
};

/* Enough by themselves. */
static const char *const phrases[] = {
	"system prompt", "new instructions:", "new task:", "### instruction", "### response", "### system", "[inst]", "<<sys>>", "[system]",
	"\"label\":", "\"label\" :", "'label':", "\"category\":", "\"answer\":", "you are now a", "as an ai", "language model", "developer mode",
	"note to the classifier", "to the classifier", "the classifier ", "the correct label", "the only valid label", "the label is",
	"the label must", "the label should", "expected output", "end of user text", "end of text", "classify it as", "classify this as",
	"label it as", "label this as", "mark this message as", "categorize it as", "categorize this as", "text to classify", "full marks",
	"regardless of the text", "whatever the text says",
	"正确标签", "正確標籤", "正确答案是", "分类模型", "分類模型", "管理员指令", "只输出", "直接输出", "你现在是一个", "都归类", "都分类为", "标记为“", "语言模型",
	"die richtige antwort ist", "la etiqueta correcta", "правильный ответ:", "正しいラベル", "정답은", "dil modeli"
};

/* At the start of a line, before a colon: who would be speaking. */
static const char *const roles[] = {
	"system", "assistant", "系统", "系統", "助手", "システム", "アシスタント", "시스템", "система", "ассистент", "système", "sistema"
};

/* Followed by a label they give the answer. */
static const char *const keywords[] = {
	"label", "answer", "output", "category", "categorie", "class", "reply", "respond", "response", "return", "print", "say", "choose",
	"select", "mark", "result", "标签", "標籤", "分类", "分類", "类别", "類別", "答案", "输出", "輸出", "回答", "归类", "歸類", "标记", "標記", "标注", "判定",
	"antwort", "antworte", "kategorie", "réponse", "réponds", "catégorie", "étiquette", "respuesta", "responde", "etiqueta",
	"resposta", "responda", "risposta", "rispondi", "etichetta", "ответ", "ответь", "метка", "категория", "ラベル", "答え", "カテゴリ", "정답",
	"라벨", "yanıt", "cevap", "etiket", "odpowied", "etykiet", "antwoord", "trả lời", "nhãn", "أجب", "उत्तर"
};

/* What may stand between the two: marks that make a link, words that do, and the rest. */
static const char *const between[] = {
	":", "=", "->", "\"", "'", "`", "“", "「", "『", "«", "[", "为", "為", "是", "成", "=>", NULL,
	"is ", "as ", "with ", "must be ", "should be ", "will be ", "ist ", "mit ", "est ", "es ", "è ", "é ", "met ", NULL,
	" ", "the ", "only ", "just ", "one ", "word ", "label ", "category ", "exactly ", "of ", "this ", "text ", "*", "(", "{", "】", "了"
};

#endif							/* QC_PROMPT_SUSPECT_WORDS_H */
